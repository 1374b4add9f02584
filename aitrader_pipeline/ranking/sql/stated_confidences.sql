-- Stated confidences and what became of the decisions over 5 sessions; NULL where it is not known yet.
SELECT
    contestant.number AS model,
    confidence,
    CASE WHEN side_return_5_pct IS NOT NULL THEN (side_return_5_pct > 0)::DOUBLE END AS came_true
FROM decision_outcomes
JOIN contestants AS contestant USING (model)
WHERE confidence IS NOT NULL
ORDER BY contestant.number
