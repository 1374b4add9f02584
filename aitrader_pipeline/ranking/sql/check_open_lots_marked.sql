-- The open lots are worth, at the closes of now, what the model's newest scored session closed with beside its cash.
-- With check_trades_balance: realized + unrealized = closing equity - initial cash + costs - dividends.
WITH marked AS (SELECT model_id AS model, sum(entry_value + unrealized_pnl) AS value FROM open_lots GROUP BY ALL),

last_days AS (
    SELECT model, max(date) AS date, max_by(portfolio_value - cash, date) AS value
    FROM portfolio_timeseries
    WHERE kind <> 'benchmark'
    GROUP BY model
)

SELECT
    model,
    date,
    'open lots are worth ' || coalesce(marked.value, 0) || ', scored were ' || last_days.value
    || ': a close was restated since' AS problem
FROM last_days
LEFT JOIN marked USING (model)
WHERE round(abs(coalesce(marked.value, 0) - last_days.value), 2) > 0
ORDER BY model
