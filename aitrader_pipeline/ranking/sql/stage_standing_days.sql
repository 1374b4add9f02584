-- What the standings are made of: every session of every portfolio. Curves have numbers, which are compared sooner than
-- names.
CREATE OR REPLACE TEMP TABLE standing_days AS
WITH closed_trades AS (
    SELECT
        model_id AS model,
        exit_date AS date,
        count(*) AS closings,
        count(*) FILTER (realized_pnl > 0) AS wins,
        coalesce(sum(realized_pnl) FILTER (realized_pnl > 0), 0) AS gains,
        coalesce(sum(-realized_pnl) FILTER (realized_pnl < 0), 0) AS losses
    FROM trade_log
    GROUP BY ALL
),

last_actions AS (
    SELECT model, date, max(action_id) AS action_id
    FROM positions
    GROUP BY ALL
),

open_positions AS (
    SELECT model, date, count(*) AS symbols
    FROM holdings
    SEMI JOIN last_actions USING (model, date, action_id)
    GROUP BY ALL
)

-- Peak and drawdown of the table are those of the whole curve; each window has its own.
SELECT
    model,
    dense_rank() OVER (ORDER BY model) AS curve,
    kind,
    date,
    base_equity,
    portfolio_value,
    exposure_pct,
    CASE WHEN base_equity > 0 THEN (daily_profit / base_equity)::DOUBLE ELSE 0 END AS daily_return,
    -- Sums of floating-point numbers depend on where a window is cut into pieces, sums of whole numbers do not:
    -- two models with the same curve get the same Sharpe ratio to the last bit, and so share a rank. The unit is
    -- that of a DOUBLE at 1; a return beyond 800 % a day would leave the range of the squares.
    CASE WHEN abs(daily_return) <= 8 THEN (daily_return * pow(2, 52))::HUGEINT END AS units,
    coalesce(closings, 0) AS closings,
    coalesce(wins, 0) AS wins,
    coalesce(gains, 0) AS gains,
    coalesce(losses, 0) AS losses,
    CASE WHEN kind <> 'benchmark' THEN coalesce(symbols, 0) END AS open_positions
FROM portfolio_timeseries
LEFT JOIN closed_trades USING (model, date)
LEFT JOIN open_positions USING (model, date)
