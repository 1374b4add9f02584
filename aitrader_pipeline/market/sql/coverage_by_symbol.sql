SELECT
    symbol,
    min(first_session) FILTER (status <> 'missing') AS first_session,
    max(last_session) FILTER (status <> 'missing') AS newest_session,
    coalesce(sum(sessions) FILTER (status <> 'missing'), 0) AS sessions,
    sum(sessions) AS wanted,
    coalesce(sum(sessions) FILTER (status = 'missing'), 0) AS missing,
    count(*) FILTER (status = 'missing') AS holes,
    coalesce(sum(sessions) FILTER (status = 'open_only'), 0) AS open_only,
    arg_max(source, last_session) FILTER (status <> 'missing') AS source,
    max(fetched_at) AS fetched_at
FROM coverage
GROUP BY symbol
ORDER BY symbol;
