-- The raw bars in their order: whose and of when they claim to be, and the values with which their canonical lines end
-- where they are plainly good. Where one takes a second look there are none, but what was given, instead. It must
-- never say more than `aitrader_pipeline.market.bars.parse_values` does.
WITH given AS (
    SELECT
        position,
        symbol,
        moment,
        [open, high, low, close, volume] AS given,
        coalesce(trim(open), '') AS open,
        coalesce(trim(high), '') AS high,
        coalesce(trim(low), '') AS low,
        coalesce(trim(close), '') AS close,
        coalesce(trim(volume), '') AS volume
    FROM raw_bars
),

exact AS (
    SELECT
        position,
        symbol,
        moment,
        given,
        exact_price(open) AS open,
        exact_price(high) AS high,
        exact_price(low) AS low,
        exact_price(close) AS close,
        CASE
            WHEN regexp_full_match(volume, '[0-9]{1,18}(\.0*)?') THEN CAST(split_part(volume, '.', 1) AS BIGINT)
        END AS volume,
        high || low || close = '' AS is_open_alone,
        volume = '' AS is_without_volume
    FROM given
),

looked_at AS (
    SELECT
        *,
        CASE
            WHEN
                open > 0
                AND (is_open_alone OR (low > 0 AND open BETWEEN low AND high AND close BETWEEN low AND high))
                AND (is_without_volume OR volume IS NOT NULL)
                THEN concat(open, ',', high, ',', low, ',', close, ',', volume, chr(10))
        END AS plain
    FROM exact
)

SELECT symbol, moment, plain, CASE WHEN plain IS NULL THEN given END
FROM looked_at
ORDER BY position;
