-- The lines of $text as raw bars; one that is no plain row of $width cells has none.
CREATE OR REPLACE TEMP TABLE raw_bars AS
SELECT
    position,
    cell[$symbol] AS symbol,
    cell[$moment] AS moment,
    cell[$open] AS open,
    cell[$high] AS high,
    cell[$low] AS low,
    cell[$close] AS close,
    cell[$volume] AS volume
FROM (
    SELECT position, CASE WHEN len(cells) = $width AND NOT contains(line, '"') THEN cells END AS cell
    FROM (
        SELECT generate_subscripts(lines, 1) AS position, unnest(lines) AS line, string_split(unnest(lines), ',') AS cells
        FROM (SELECT string_split($text, chr(10)) AS lines)
    )
);
