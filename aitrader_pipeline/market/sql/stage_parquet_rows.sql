-- As text, so that a number is judged and rounded by the same rule whatever its type in the file.
CREATE OR REPLACE TEMP TABLE raw_bars AS
SELECT
    file_row_number + 1 AS position,
    CAST(COLUMNS(lambda name: name = $symbol) AS VARCHAR) AS symbol,
    CAST(COLUMNS(lambda name: name = $moment) AS VARCHAR) AS moment,
    CAST(COLUMNS(lambda name: name = $open) AS VARCHAR) AS open,
    CAST(COLUMNS(lambda name: name = $high) AS VARCHAR) AS high,
    CAST(COLUMNS(lambda name: name = $low) AS VARCHAR) AS low,
    CAST(COLUMNS(lambda name: name = $close) AS VARCHAR) AS close,
    CAST(COLUMNS(lambda name: name = $volume) AS VARCHAR) AS volume
FROM read_parquet($path, file_row_number = true);
