-- Every portfolio's own figures, and beside them those of the other random traders over the same sessions.
SELECT
    own.model,
    own.sessions,
    own.return_pct,
    own.sharpe_ratio,
    list(random.return_pct) FILTER (WHERE random.model IS NOT NULL) AS random_returns,
    list(random.sharpe_ratio) FILTER (WHERE random.model IS NOT NULL) AS random_sharpes
FROM main.performance_metrics AS own
JOIN session_patterns USING (model)
LEFT JOIN performance_metrics AS random
    ON random.model.pattern = session_patterns.pattern AND random.model.trader <> own.model
GROUP BY ALL
ORDER BY own.model
