-- What $initial_cash is worth on every scored session, had it been put, at the last close before the first session,
-- into $benchmark, into the symbols of $universe in equal parts (NULL: all that are priced but the benchmark), or
-- nowhere. Held from then on; dividends buy more of the same at the close of their ex-date.
CREATE OR REPLACE TEMP TABLE benchmark_values AS
WITH RECURSIVE tickers (symbol, ticker, since) AS (
    -- The tickers under which a symbol's shares have been traded, each from a date on.
    SELECT DISTINCT symbol, symbol, DATE '0001-01-01'
    FROM prices
    WHERE symbol = $benchmark OR coalesce(list_contains(CAST($universe AS VARCHAR[]), symbol), true)
    UNION ALL
    SELECT tickers.symbol, action.new_symbol, action.ex_date
    FROM tickers
    JOIN corporate_actions AS action ON action.symbol = tickers.ticker AND action.ex_date > tickers.since
    WHERE action.kind = 'symbol_change'
),

closes AS (
    SELECT tickers.symbol, date, arg_max(close, since) AS close
    FROM tickers
    JOIN prices ON prices.symbol = tickers.ticker AND prices.date >= tickers.since
    WHERE close IS NOT NULL
    GROUP BY ALL
),

-- A dividend is paid per share as of before a split of the same day.
actions AS (
    SELECT
        tickers.symbol,
        ex_date,
        coalesce(product(CAST(value AS DOUBLE)) FILTER (WHERE kind = 'split'), 1) AS ratio,
        coalesce(sum(value) FILTER (WHERE kind = 'dividend'), 0) AS dividend
    FROM tickers
    JOIN corporate_actions AS action ON action.symbol = tickers.ticker AND action.ex_date >= tickers.since
    GROUP BY ALL
),

-- An action counts with the first close that knows of it.
growth AS (
    SELECT closes.symbol, closes.date, product(ratio + CAST(dividend AS DOUBLE) / CAST(close AS DOUBLE)) AS factor
    FROM actions
    ASOF JOIN closes ON actions.symbol = closes.symbol AND actions.ex_date <= closes.date
    GROUP BY ALL
),

-- What the shares that were one at the first close are worth.
worth AS (
    SELECT
        symbol,
        date,
        CAST(close AS DOUBLE)
        * product(coalesce(factor, 1)) OVER (PARTITION BY symbol ORDER BY date ROWS UNBOUNDED PRECEDING) AS worth
    FROM closes
    LEFT JOIN growth USING (symbol, date)
),

-- The portfolios start from cash before the first session, so these start from the close before it: all of them then
-- carry the whole first day.
base AS (
    SELECT symbol, max_by(worth, date) AS base
    FROM worth
    WHERE date < (SELECT min(date) FROM daily_pnl)
    GROUP BY symbol
),

held AS (
    SELECT symbol AS model, symbol, base, CAST(1 AS DOUBLE) AS part
    FROM base
    WHERE
        symbol = $benchmark
        -- (model, date) is unique: a portfolio that carries the symbol's name keeps it.
        AND symbol NOT IN (SELECT model FROM daily_pnl)
    UNION ALL
    SELECT '=equal-weight', symbol, base, 1 / count(*) OVER ()
    FROM base
    WHERE coalesce(list_contains(CAST($universe AS VARCHAR[]), symbol), symbol IS DISTINCT FROM $benchmark)
),

sessions AS (
    SELECT DISTINCT date
    FROM daily_pnl
    WHERE closing_equity IS NOT NULL
)

SELECT
    held.model,
    session.date,
    CAST(
        round(sum(CAST($initial_cash AS DOUBLE) * part * mark.worth / held.base ORDER BY held.symbol), 6)
        AS DECIMAL(18, 6)
    ) AS portfolio_value,
    CAST(0 AS DECIMAL(18, 6)) AS cash
FROM sessions AS session
CROSS JOIN held
ASOF JOIN worth AS mark ON held.symbol = mark.symbol AND session.date >= mark.date
GROUP BY ALL
UNION ALL
SELECT '=cash', date, CAST($initial_cash AS DECIMAL(18, 6)), CAST($initial_cash AS DECIMAL(18, 6))
FROM sessions;
