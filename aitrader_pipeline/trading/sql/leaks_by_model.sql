SELECT model, sum(told)::INTEGER AS told, sum(said)::INTEGER AS said
FROM leak_counts
GROUP BY model
HAVING sum(told) + sum(said) > 0
ORDER BY model
