-- What a symbol that is bought at a session's open has returned at the close of that session, of the 5th and of the
-- 20th, that one counted: splits applied, dividends put into more of it at the close of their ex-date.
WITH span AS (SELECT min(date) AS first FROM decision_log),

sessions AS (
    SELECT date, row_number() OVER (ORDER BY date) AS number
    FROM (SELECT DISTINCT date FROM prices WHERE date >= (SELECT first FROM span))
),

closes AS (
    SELECT line.symbol, since, sessions.date, number, begins = since AS is_own, close::DOUBLE AS close
    FROM ticker_lines AS line
    JOIN prices ON prices.symbol = ticker AND prices.date >= begins AND prices.date < ends
    JOIN sessions ON sessions.date = prices.date
    WHERE close IS NOT NULL
),

-- A dividend is paid per share as of before a split of the same day; both come before a change of the ticker.
actions AS (
    SELECT
        line.symbol,
        since,
        ex_date,
        coalesce(product(value::DOUBLE) FILTER (WHERE kind = 'split'), 1) AS ratio,
        coalesce(sum(value) FILTER (WHERE kind = 'dividend'), 0)::DOUBLE AS dividend
    FROM ticker_lines AS line
    JOIN corporate_actions AS action ON action.symbol = ticker AND ex_date > begins AND ex_date <= ends
    WHERE ex_date >= (SELECT first FROM span)
    GROUP BY ALL
),

-- An action counts with the first close that knows of it.
growth AS (
    SELECT closes.symbol, closes.since, closes.date, product(ratio + dividend / close) AS factor
    FROM actions
    ASOF JOIN closes
        ON actions.symbol = closes.symbol AND actions.since = closes.since AND actions.ex_date <= closes.date
    GROUP BY ALL
),

worth AS (
    SELECT
        symbol,
        since,
        date,
        number,
        is_own,
        product(coalesce(factor, 1)) OVER so_far AS shares,
        close * shares AS worth
    FROM closes
    LEFT JOIN growth USING (symbol, since, date)
    WINDOW so_far AS (PARTITION BY symbol, since ORDER BY date ROWS UNBOUNDED PRECEDING)
),

bought AS (
    -- At the open the day's own actions have been applied.
    SELECT worth.*, open::DOUBLE * shares AS paid
    FROM worth
    JOIN prices USING (symbol, date)
    WHERE is_own
)

SELECT
    bought.symbol,
    bought.date,
    100 * (bought.worth / paid - 1) AS forward_return_1_pct,
    100 * (fifth.worth / paid - 1) AS forward_return_5_pct,
    100 * (twentieth.worth / paid - 1) AS forward_return_20_pct
FROM bought
LEFT JOIN worth AS fifth
    ON fifth.symbol = bought.symbol AND fifth.since = bought.since AND fifth.number = bought.number + 4
LEFT JOIN worth AS twentieth
    ON twentieth.symbol = bought.symbol AND twentieth.since = bought.since AND twentieth.number = bought.number + 19
