-- SQLite. Per model what all its calls have cost, failed attempts and replaced sessions included.
SELECT
    model,
    count(DISTINCT date) AS dates,
    count(*) AS calls,
    count(*) FILTER (WHERE outcome <> 'answered') AS failed_calls,
    sum(input_tokens) AS input_tokens,
    sum(output_tokens) AS output_tokens,
    sum(cost_usd) AS cost_usd,
    count(*) FILTER (WHERE outcome = 'answered' AND cost_usd IS NULL) AS calls_without_cost,
    total(counted_usd) AS at_most_usd
FROM calls
GROUP BY model
ORDER BY model
