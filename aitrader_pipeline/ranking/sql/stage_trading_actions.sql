-- The actions of the scored sessions that open, close or change lots.
-- An action is told by its moment, one number for its session and its place in it. A split or a symbol change begins a
-- new stretch of the model's history.
CREATE OR REPLACE TEMP TABLE trading_actions AS
WITH changes AS (
    SELECT model, list((date - DATE '1970-01-01') * 1_000_000 + action_id) AS moments
    FROM positions
    WHERE action_type IN ('split', 'symbol_change')
    GROUP BY model
)

SELECT
    model,
    symbol,
    (date - DATE '1970-01-01') * 1_000_000 + action_id AS moment,
    action_type,
    amount::DOUBLE AS amount,
    price::DOUBLE AS price,
    ratio::DOUBLE AS ratio,
    new_symbol,
    coalesce(len(list_filter(moments, lambda changed: changed <= moment)), 0) AS stretch
FROM positions
SEMI JOIN portfolio_timeseries USING (model, date)
LEFT JOIN changes USING (model)
WHERE action_type = 'split' OR (action_type IN ('buy', 'sell', 'symbol_change', 'delisting') AND amount > 0)
