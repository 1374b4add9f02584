-- What a model decided about a symbol on a session: its newest order that was filled, else the newest.
WITH decided AS (
    SELECT
        date,
        model_id AS model,
        symbol,
        arg_max(decision = 'buy', number) AS bought,
        arg_max_null(confidence, number) AS confidence,
        bool_or(executed) AS executed
    FROM (SELECT *, decision_number + CASE WHEN executed THEN 1000000000 ELSE 0 END AS number FROM decision_log)
    WHERE decision IN ('buy', 'sell')
    GROUP BY ALL
)

SELECT
    decided.date,
    decided.model,
    decided.symbol,
    CASE WHEN bought THEN 'buy' ELSE 'sell' END AS decision,
    confidence,
    executed,
    CASE WHEN bought THEN forward_return_1_pct ELSE -forward_return_1_pct END AS side_return_1_pct,
    CASE WHEN bought THEN forward_return_5_pct ELSE -forward_return_5_pct END AS side_return_5_pct,
    CASE WHEN bought THEN forward_return_20_pct ELSE -forward_return_20_pct END AS side_return_20_pct
FROM decided
JOIN prices ON prices.symbol = decided.symbol AND prices.date = decided.date
LEFT JOIN forward_returns ON forward_returns.symbol = decided.symbol AND forward_returns.date = decided.date
ORDER BY decided.model, decided.date, decided.symbol
