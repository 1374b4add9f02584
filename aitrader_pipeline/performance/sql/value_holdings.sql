-- Every holding with the prices that mark it: today's open and close, and the close its day's profit is counted from.
-- A symbol without a bar today is carried at its last close; one whose bar is still open-only waits for its close.
CREATE OR REPLACE TEMP TABLE valued_holdings AS
WITH closes AS (SELECT symbol, date, close FROM prices WHERE close IS NOT NULL),
dated AS (
    SELECT h.*, s.previous_date
    FROM session_holdings AS h
    JOIN sessions AS s USING (date, model)
)
SELECT
    d.date,
    d.model,
    d.action_id,
    d.symbol,
    d.quantity,
    coalesce(today.open, carried.close) AS open_price,
    CASE WHEN today.symbol IS NULL THEN carried.close ELSE today.close END AS close_price,
    CASE WHEN previous.symbol IS NOT NULL AND previous.close IS NULL THEN NULL ELSE base.close END AS base_price,
    today.symbol IS NULL AS is_carried
FROM dated AS d
LEFT JOIN prices AS today ON today.symbol = d.symbol AND today.date = d.date
LEFT JOIN prices AS previous ON previous.symbol = d.symbol AND previous.date = d.previous_date
ASOF LEFT JOIN closes AS carried ON carried.symbol = d.symbol AND carried.date < d.date
ASOF LEFT JOIN closes AS base ON base.symbol = d.symbol AND base.date <= d.previous_date
