-- Cash is never below zero; shares are whole and above zero; one row per action, numbered from 0 without a gap.
SELECT model, date, 'cash ' || min(cash) AS problem FROM positions GROUP BY ALL HAVING min(cash) < 0
UNION ALL
SELECT model, date, symbol || ' ' || quantity || ' shares' FROM holdings WHERE quantity <= 0
UNION ALL
SELECT model, date, 'action ids are not 0 to ' || (count(*) - 1)
FROM positions
GROUP BY ALL
HAVING count(DISTINCT action_id) <> count(*) OR min(action_id) <> 0 OR max(action_id) <> count(*) - 1
ORDER BY model, date
