-- Opens further than $threshold percent from what the close before and the corporate actions in between lead to. An
-- unrecorded split looks just so. What a dividend is paid on is a share of before a split of its day.
WITH nights AS (
    SELECT
        symbol,
        date,
        open,
        lag(date) OVER by_date AS date_before,
        lag(close) OVER by_date AS close_before
    FROM prices
    WINDOW by_date AS (PARTITION BY symbol ORDER BY date)
),

explained AS (
    SELECT
        nights.symbol,
        date,
        open,
        (CAST(close_before AS DOUBLE) - coalesce(sum(value) FILTER (WHERE kind = 'dividend'), 0))
        / coalesce(product(CAST(value AS DOUBLE)) FILTER (WHERE kind = 'split'), 1) AS expected
    FROM nights
    LEFT JOIN corporate_actions AS action
        ON nights.symbol = action.symbol AND ex_date > date_before AND ex_date <= date
    WHERE close_before IS NOT NULL
    GROUP BY nights.symbol, date, open, close_before
)

SELECT symbol, date, format('opens at {:.6g} where {:.6g} was expected: {:+.1f} %', CAST(open AS DOUBLE), expected, move)
FROM (SELECT *, 100 * (CAST(open AS DOUBLE) / expected - 1) AS move FROM explained)
WHERE NOT abs(move) <= $threshold
ORDER BY ALL;
