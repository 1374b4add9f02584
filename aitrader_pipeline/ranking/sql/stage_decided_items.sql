-- What could be decided: every symbol that anybody has ever ordered, on every session that it could be traded on.
CREATE OR REPLACE TEMP TABLE decided_items AS
SELECT
    date,
    symbol,
    row_number() OVER (ORDER BY date, symbol) - 1 AS number,
    dense_rank() OVER (ORDER BY date) - 1 AS session,
    forward_return_1_pct,
    forward_return_5_pct,
    forward_return_20_pct
FROM prices
SEMI JOIN daily_pnl USING (date)
SEMI JOIN decision_log USING (symbol)
LEFT JOIN forward_returns USING (symbol, date)
