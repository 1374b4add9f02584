CREATE OR REPLACE TEMP TABLE staged_prices AS
SELECT
    symbol,
    CAST(date AS DATE) AS date,
    CAST(open AS DECIMAL(18, 6)) AS open,
    CAST(high AS DECIMAL(18, 6)) AS high,
    CAST(low AS DECIMAL(18, 6)) AS low,
    CAST(close AS DECIMAL(18, 6)) AS close,
    CAST(volume AS BIGINT) AS volume
FROM (
    SELECT
        unnest(CAST($symbol AS VARCHAR[])) AS symbol,
        unnest(CAST($date AS DATE[])) AS date,
        unnest(CAST($open AS VARCHAR[])) AS open,
        unnest(CAST($high AS VARCHAR[])) AS high,
        unnest(CAST($low AS VARCHAR[])) AS low,
        unnest(CAST($close AS VARCHAR[])) AS close,
        unnest(CAST($volume AS BIGINT[])) AS volume
);
