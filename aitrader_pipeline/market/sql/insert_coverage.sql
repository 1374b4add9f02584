INSERT INTO coverage BY NAME
WITH states AS (
    SELECT
        w.symbol,
        w.date,
        w.number,
        CASE WHEN p.symbol IS NULL THEN 'missing' WHEN p.close IS NULL THEN 'open_only' ELSE 'covered' END AS status,
        p.source,
        p.fetched_at
    FROM wanted_bars AS w
    LEFT JOIN prices AS p ON p.symbol = w.symbol AND p.date = w.date
),
spans AS (
    -- Neighbours that are alike have the same distance between their number and their rank among those alike.
    SELECT *, number - row_number() OVER (PARTITION BY symbol, status ORDER BY date) AS span FROM states
)
SELECT
    symbol,
    min(date) AS first_session,
    max(date) AS last_session,
    count(*) AS sessions,
    status,
    arg_max(source, date) AS source,
    max(fetched_at) AS fetched_at
FROM spans
GROUP BY symbol, status, span;
