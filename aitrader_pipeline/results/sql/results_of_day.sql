SELECT
    d.model,
    d.date,
    d.daily_profit,
    d.daily_return_pct,
    d.closing_equity,
    d.cumulative_profit,
    d.cumulative_return_pct,
    d.cash,
    coalesce(
        map_from_entries(
            list((h.symbol, h.quantity) ORDER BY h.symbol) FILTER (h.symbol IS NOT NULL)
        ),
        MAP {}
    ) AS shares
FROM daily_pnl AS d
LEFT JOIN holdings AS h ON h.date = d.date AND h.model = d.model
    AND h.action_id = (SELECT max(p.action_id) FROM positions AS p WHERE p.date = d.date AND p.model = d.model)
WHERE d.date = $date AND ($model IS NULL OR d.model = $model)
GROUP BY ALL
ORDER BY d.model
