CREATE OR REPLACE TEMP TABLE staged_prices AS
SELECT
    part[1] AS symbol,
    CAST(part[2] AS DATE) AS date,
    CAST(part[3] AS DECIMAL(18, 6)) AS open,
    CAST(nullif(part[4], '') AS DECIMAL(18, 6)) AS high,
    CAST(nullif(part[5], '') AS DECIMAL(18, 6)) AS low,
    CAST(nullif(part[6], '') AS DECIMAL(18, 6)) AS close,
    CAST(nullif(part[7], '') AS BIGINT) AS volume
FROM (
    -- The canonical text of `aitrader_pipeline.market.bars.canonical`: each line ends with its line break.
    SELECT string_split(unnest(string_split($text, chr(10))[:-2]), ',') AS part
);
