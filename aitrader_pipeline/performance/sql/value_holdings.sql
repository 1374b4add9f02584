-- Every holding with the prices that mark it: today's open and close, and the close its day's profit is counted from.
-- A symbol without a bar today is carried at its last close, per share as the splits since then have made it; one whose
-- bar is still open-only waits for its close.
CREATE OR REPLACE TEMP TABLE valued_holdings AS
WITH splits AS (
    -- What one share of the beginning has become.
    SELECT symbol, ex_date, product(value) OVER (PARTITION BY symbol ORDER BY ex_date) AS shares
    FROM corporate_actions
    WHERE kind = 'split'
),
closes AS (
    SELECT p.symbol, p.date, p.close, coalesce(s.shares, 1) AS shares
    FROM prices AS p
    ASOF LEFT JOIN splits AS s ON s.symbol = p.symbol AND s.ex_date <= p.date
    WHERE p.close IS NOT NULL
),
dated AS (
    SELECT
        h.*,
        s.previous_date,
        coalesce(now.shares, 1) AS shares,
        coalesce(earlier.shares, 1) AS previous_shares
    FROM session_holdings AS h
    JOIN sessions AS s USING (date, model)
    ASOF LEFT JOIN splits AS now ON now.symbol = h.symbol AND now.ex_date <= h.date
    ASOF LEFT JOIN splits AS earlier ON earlier.symbol = h.symbol AND earlier.ex_date <= s.previous_date
),
priced AS (
    SELECT
        d.date,
        d.model,
        d.action_id,
        d.symbol,
        d.quantity,
        today.open,
        today.close,
        today.symbol IS NULL AS is_carried,
        -- A quotient is rounded, so a close without a split since is left as it is.
        CASE
            WHEN carried.shares = d.shares THEN carried.close
            ELSE (carried.close::DOUBLE * carried.shares / d.shares)::DECIMAL(18, 6)
        END AS carried_close,
        CASE
            WHEN previous.symbol IS NOT NULL AND previous.close IS NULL THEN NULL
            WHEN base.shares = d.previous_shares THEN base.close
            ELSE (base.close::DOUBLE * base.shares / d.previous_shares)::DECIMAL(18, 6)
        END AS base_price
    FROM dated AS d
    LEFT JOIN prices AS today ON today.symbol = d.symbol AND today.date = d.date
    LEFT JOIN prices AS previous ON previous.symbol = d.symbol AND previous.date = d.previous_date
    ASOF LEFT JOIN closes AS carried ON carried.symbol = d.symbol AND carried.date < d.date
    ASOF LEFT JOIN closes AS base ON base.symbol = d.symbol AND base.date <= d.previous_date
)
SELECT
    date,
    model,
    action_id,
    symbol,
    quantity,
    coalesce(open, carried_close) AS open_price,
    CASE WHEN is_carried THEN carried_close ELSE close END AS close_price,
    base_price,
    is_carried
FROM priced
