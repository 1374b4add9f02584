-- What each model has made of each symbol over its scored sessions; their sum is its profit.
-- sectors: a staged table of what the config says of symbols.
WITH newest AS (
    SELECT symbol, since, min(ends) AS ends, arg_max(ticker, begins) AS ticker
    FROM ticker_lines
    WHERE begins <= (SELECT max(date) FROM portfolio_timeseries)
    GROUP BY ALL
),

parts AS (
    SELECT
        model_id AS model, symbol, exit_date AS date,
        realized_pnl, 0 AS unrealized_pnl, 0 AS dividends, 0 AS costs, 0 AS trades
    FROM trade_log
    UNION ALL
    SELECT model_id, symbol, date, 0, unrealized_pnl, 0, 0, 0
    FROM open_lots
    UNION ALL
    SELECT
        model,
        symbol,
        date,
        0,
        0,
        CASE WHEN action_type = 'dividend' THEN amount * price ELSE 0 END,
        costs,
        CASE WHEN action_type = 'dividend' THEN 0 ELSE 1 END
    FROM positions
    SEMI JOIN portfolio_timeseries USING (model, date)
    WHERE action_type IN ('buy', 'sell', 'dividend')
)

SELECT
    model,
    coalesce(newest.ticker, parts.symbol) AS symbol,
    any_value(sectors.sector) AS sector,
    sum(realized_pnl)::DECIMAL(18, 6) AS realized_pnl,
    sum(unrealized_pnl)::DECIMAL(18, 6) AS unrealized_pnl,
    sum(dividends)::DECIMAL(18, 6) AS dividends,
    sum(costs)::DECIMAL(18, 6) AS costs,
    (sum(realized_pnl) + sum(unrealized_pnl) + sum(dividends) - sum(costs))::DECIMAL(18, 6) AS profit,
    sum(trades)::INTEGER AS trades
FROM parts
LEFT JOIN newest ON newest.symbol = parts.symbol AND parts.date >= newest.since AND parts.date < newest.ends
LEFT JOIN sectors ON sectors.symbol = coalesce(newest.ticker, parts.symbol)
GROUP BY ALL
