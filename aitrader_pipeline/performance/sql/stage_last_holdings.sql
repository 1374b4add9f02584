-- What is held after the last action of each staged session.
INSERT INTO session_holdings BY NAME
WITH ends AS (
    SELECT date, model, max(action_id) AS action_id FROM positions SEMI JOIN sessions USING (date, model) GROUP BY ALL
)
SELECT holdings.* FROM holdings SEMI JOIN ends USING (date, model, action_id)
