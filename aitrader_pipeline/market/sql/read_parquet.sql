-- As text, so that a number is judged and rounded by the same rule whatever its type in the file.
SELECT
    CAST(symbol AS VARCHAR),
    CAST(date AS VARCHAR),
    CAST(open AS VARCHAR),
    CAST(high AS VARCHAR),
    CAST(low AS VARCHAR),
    CAST(close AS VARCHAR),
    CAST(volume AS VARCHAR)
FROM read_parquet(?);
