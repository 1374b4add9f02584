-- Orders are filled at the open at which they are placed. A price that a session has filled at is the open as it was
-- then; of what was refused it is the open as it is stored.
INSERT INTO decision_log BY NAME
SELECT
    d.*,
    coalesce(d.execution_price, p.open) AS current_price,
    'long' AS direction,
    d.action_id IS NOT NULL AS executed,
    CASE WHEN d.action_id IS NOT NULL THEN d.timestamp END AS execution_time,
    CASE WHEN d.action_id IS NOT NULL THEN 'filled' ELSE 'rejected' END AS execution_status
FROM session_decisions AS d
LEFT JOIN prices AS p USING (symbol, date)
