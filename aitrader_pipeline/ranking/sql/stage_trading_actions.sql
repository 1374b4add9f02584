-- The actions of the scored sessions that open, close or change lots.
-- An action is told by its moment, one number for its session and its place in it. A split or a symbol change begins a
-- new stretch of the model's history.
CREATE OR REPLACE TEMP TABLE trading_actions AS
WITH changes AS (
    SELECT model, list((date - DATE '1970-01-01') * 1_000_000 + action_id) AS moments
    FROM positions
    WHERE action_type IN ('split', 'symbol_change')
    GROUP BY model
),

sessions AS MATERIALIZED (SELECT model, date, moments FROM scored_days LEFT JOIN changes USING (model))

SELECT
    own.queue,
    (date - DATE '1970-01-01') * 1_000_000 + action_id AS moment,
    action_type,
    amount::DOUBLE AS amount,
    price::DOUBLE AS price,
    ratio::DOUBLE AS ratio,
    renamed.queue AS new_queue,
    coalesce(len(list_filter(moments, lambda changed: changed <= moment)), 0) AS stretch
FROM positions
JOIN sessions USING (model, date)
JOIN lot_queues AS own ON own.model = positions.model AND own.symbol = positions.symbol
LEFT JOIN lot_queues AS renamed ON renamed.model = positions.model AND renamed.symbol = positions.new_symbol
WHERE action_type = 'split' OR (action_type IN ('buy', 'sell', 'symbol_change', 'delisting') AND amount > 0)
