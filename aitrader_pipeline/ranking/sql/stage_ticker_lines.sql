-- The tickers under which what is called `symbol` from `since` on is traded, each from `begins` until before `ends`.
-- A ticker that was given up may be another company's from that day on: another line begins.
CREATE OR REPLACE TEMP TABLE ticker_lines AS
WITH RECURSIVE changes AS (
    SELECT symbol, new_symbol, ex_date
    FROM corporate_actions
    WHERE kind = 'symbol_change'
),

starts AS (
    SELECT symbol, DATE '0001-01-01' AS since FROM prices
    UNION
    SELECT new_symbol, DATE '0001-01-01' FROM changes
    UNION
    SELECT symbol, ex_date FROM changes
),

stretches AS (
    SELECT symbol, since, lead(since, 1, DATE '9999-12-31') OVER (PARTITION BY symbol ORDER BY since) AS ends
    FROM starts
),

lines AS (
    SELECT symbol, since, symbol AS ticker, since AS begins, ends
    FROM stretches
    UNION ALL
    SELECT lines.symbol, lines.since, changes.new_symbol, lines.ends, stretches.ends
    FROM lines
    JOIN changes ON changes.symbol = lines.ticker AND changes.ex_date = lines.ends
    JOIN stretches
        ON stretches.symbol = changes.new_symbol AND stretches.since <= lines.ends AND stretches.ends > lines.ends
)

FROM lines
