-- An hourly bar begins at its timestamp and marks what is held then at its open: at the session's first one, after the
-- fills. A day without hourly bars of all that is held has its two marks.
WITH bars AS (
    SELECT symbol, timestamp, open, date
    FROM hourly_prices
    ASOF JOIN session_hours ON timestamp >= opens_at
    WHERE timestamp < closes_at
),

hours AS (SELECT DISTINCT date, timestamp FROM bars),

held AS (
    SELECT model, date, action_id, symbol, quantity, action_id = closing_action AS is_closing
    FROM holdings
    JOIN scored_days USING (model, date)
    WHERE action_id IN (opening_action, closing_action)
),

counts AS (SELECT model, date, action_id, count(*) AS symbols FROM held GROUP BY ALL),

hourly_values AS (
    SELECT model, date, timestamp, count(*) AS symbols, sum(quantity * open) AS value
    FROM held
    JOIN bars USING (symbol, date)
    WHERE is_closing
    GROUP BY ALL
),

hourly AS (
    SELECT
        days.model,
        days.date,
        hours.timestamp,
        'hour' AS mark,
        days.cash,
        coalesce(worth.value, 0) AS positions_value,
        coalesce(counts.symbols, 0) AS positions_count
    FROM scored_days AS days
    JOIN hours USING (date)
    LEFT JOIN counts ON counts.model = days.model AND counts.date = days.date
        AND counts.action_id = days.closing_action
    LEFT JOIN hourly_values AS worth ON worth.model = days.model AND worth.date = days.date
        AND worth.timestamp = hours.timestamp
    WHERE coalesce(worth.symbols, 0) = coalesce(counts.symbols, 0)
),

marks AS (
    SELECT
        model, date, opening_action AS action_id, 'open' AS mark, opening_cash AS cash,
        opening_equity - opening_cash AS positions_value
    FROM scored_days
    UNION ALL
    SELECT model, date, closing_action, 'close', cash, portfolio_value - cash FROM scored_days
),

daily AS (
    SELECT
        marks.model,
        marks.date,
        CASE mark WHEN 'open' THEN opens_at ELSE closes_at END AS timestamp,
        mark,
        cash,
        positions_value,
        coalesce(counts.symbols, 0) AS positions_count
    FROM marks
    ANTI JOIN hourly USING (model, date)
    JOIN session_hours USING (date)
    LEFT JOIN counts ON counts.model = marks.model AND counts.date = marks.date
        AND counts.action_id = marks.action_id
)

SELECT
    model AS model_id,
    timestamp,
    (cash + positions_value)::DECIMAL(18, 6) AS equity,
    cash,
    positions_value::DECIMAL(18, 6) AS positions_value,
    positions_count,
    date,
    mark
FROM (FROM hourly UNION ALL BY NAME FROM daily)
-- The table holds portfolios that are worth something; the others are in daily_summaries.
WHERE cash + positions_value > 0
