-- The lots of a model in a symbol wait in a queue to be sold: each has a number, which is compared sooner than names.
CREATE OR REPLACE TEMP TABLE lot_queues AS
SELECT row_number() OVER (ORDER BY model, symbol)::INTEGER AS queue, model, symbol
FROM (
    SELECT model, symbol FROM positions WHERE symbol IS NOT NULL
    UNION
    SELECT model, new_symbol FROM positions WHERE new_symbol IS NOT NULL
)
