-- Every scored session has the session that it opened from beside it, scored too. Where one is missing, the model's
-- series ends before it.
WITH chains AS (
    SELECT
        model,
        date,
        lag(date) OVER chain AS previous_scored,
        CASE WHEN days_since_last_session > 0 THEN date - days_since_last_session END AS opened_from
    FROM daily_pnl
    WHERE closing_equity IS NOT NULL
    WINDOW chain AS (PARTITION BY model ORDER BY date)
)
SELECT
    model,
    date,
    CASE
        WHEN opened_from IS NULL THEN 'opens with the initial cash, though there are sessions before it'
        ELSE 'the session that it opened from, ' || opened_from || ', is missing or not scored'
    END AS problem
FROM chains
WHERE previous_scored IS DISTINCT FROM opened_from
ORDER BY model, date
