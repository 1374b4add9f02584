-- What was bought is what was sold and what is held: of every symbol the open lots' shares are those held; and the
-- realized profit, less what the open lots have cost, is the change of the cash, before costs and without dividends.
WITH scored AS (
    SELECT model, date, cash, portfolio_value - cumulative_profit AS initial_cash
    FROM portfolio_timeseries
    WHERE kind <> 'benchmark'
),

last_days AS (
    SELECT model, max(date) AS date, max_by(cash, date) AS cash, max_by(initial_cash, date) AS initial_cash
    FROM scored
    GROUP BY model
),

last_actions AS (
    SELECT model, date, max(action_id) AS action_id
    FROM positions
    SEMI JOIN last_days USING (model, date)
    GROUP BY ALL
),

held AS (
    SELECT model, symbol, quantity
    FROM holdings
    SEMI JOIN last_actions USING (model, date, action_id)
),

lot_shares AS (SELECT model_id AS model, symbol, sum(shares) AS shares FROM open_lots GROUP BY ALL),

paid AS (
    SELECT
        model,
        sum(costs) AS costs,
        coalesce(sum(price * amount) FILTER (action_type = 'dividend'), 0) AS dividends
    FROM positions
    SEMI JOIN scored USING (model, date)
    GROUP BY model
),

realized AS (SELECT model_id AS model, sum(realized_pnl) AS pnl FROM trade_log GROUP BY ALL),

invested AS (SELECT model_id AS model, sum(entry_value) AS entry_value FROM open_lots GROUP BY ALL),

cash_sides AS (
    SELECT
        model,
        date,
        coalesce(realized.pnl, 0) - coalesce(invested.entry_value, 0) AS traded,
        cash - initial_cash + paid.costs - paid.dividends AS moved
    FROM last_days
    JOIN paid USING (model)
    LEFT JOIN realized USING (model)
    LEFT JOIN invested USING (model)
)

SELECT
    model,
    last_days.date,
    'the open lots of ' || symbol || ' have ' || coalesce(shares, 0) || ' shares, ' || coalesce(quantity, 0)
    || ' are held' AS problem
FROM held
FULL JOIN lot_shares USING (model, symbol)
JOIN last_days USING (model)
WHERE abs(coalesce(shares, 0) - coalesce(quantity, 0)) > 1e-6
UNION ALL
SELECT model, date, 'trades and open lots moved ' || traded || ' of cash, not ' || moved
FROM cash_sides
WHERE round(abs(traded - moved), 2) > 0
ORDER BY model, problem
