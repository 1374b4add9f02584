CREATE OR REPLACE TEMP TABLE staged_hourly AS
SELECT
    part[1] AS symbol,
    CAST(part[2] AS TIMESTAMPTZ) AS timestamp,
    CAST(part[3] AS DECIMAL(18, 6)) AS open,
    CAST(nullif(part[4], '') AS DECIMAL(18, 6)) AS high,
    CAST(nullif(part[5], '') AS DECIMAL(18, 6)) AS low,
    CAST(nullif(part[6], '') AS DECIMAL(18, 6)) AS close,
    CAST(nullif(part[7], '') AS BIGINT) AS volume
FROM (
    SELECT string_split(unnest(string_split($text, chr(10))[:-2]), ',') AS part
)
-- An hour that is still under way has its open alone: it is worth keeping when it is over.
WHERE part[6] <> '';
