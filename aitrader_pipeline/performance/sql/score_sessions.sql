-- The day's figures (docs/metrics.md, Daily), marked at the close; NULL while a close they need is not known.
CREATE OR REPLACE TEMP TABLE scored_sessions AS
WITH closed AS (SELECT DISTINCT date FROM prices WHERE close IS NOT NULL),
books AS (
    SELECT
        s.date,
        s.model,
        coalesce(sum(v.quantity * v.open_price) FILTER (v.action_id = s.events), 0) AS opening_value,
        coalesce(sum(v.quantity * v.close_price) FILTER (v.action_id = s.events + s.trades), 0) AS closing_value,
        coalesce(sum(v.quantity * v.base_price) FILTER (v.action_id = 0), 0) AS base_value,
        count(*) FILTER (v.action_id = s.events + s.trades AND v.close_price IS NULL) AS waiting_for_close,
        count(*) FILTER (v.action_id = 0 AND v.base_price IS NULL) AS waiting_for_base,
        count(*) FILTER (v.action_id = s.events + s.trades AND v.is_carried) AS carried_symbols
    FROM sessions AS s
    LEFT JOIN valued_holdings AS v USING (date, model)
    GROUP BY ALL
),
equity AS (
    SELECT
        s.*,
        s.opening_cash + b.opening_value AS opening_equity,
        CASE
            WHEN b.waiting_for_close = 0 AND s.date IN (FROM closed) THEN s.end_cash + b.closing_value
        END AS closing_equity,
        CASE
            WHEN s.previous_date IS NULL THEN s.initial_cash
            WHEN b.waiting_for_base = 0 AND s.previous_date IN (FROM closed) THEN s.start_cash + b.base_value
        END AS base_equity,
        b.carried_symbols
    FROM sessions AS s
    JOIN books AS b USING (date, model)
)
SELECT
    date,
    model,
    kind,
    source,
    initial_cash,
    opening_equity,
    -- Without its base a day has a value but no profit: it is not scored, so that profits always add up.
    CASE WHEN base_equity IS NOT NULL THEN closing_equity END AS closing_equity,
    closing_equity - base_equity AS daily_profit,
    CASE
        WHEN base_equity <= 0 AND closing_equity IS NOT NULL THEN 0
        ELSE 100 * (closing_equity - base_equity)::DOUBLE / base_equity::DOUBLE
    END AS daily_return_pct,
    CASE WHEN base_equity IS NOT NULL THEN closing_equity - initial_cash END AS cumulative_profit,
    CASE
        WHEN base_equity IS NOT NULL THEN 100 * (closing_equity - initial_cash)::DOUBLE / initial_cash::DOUBLE
    END AS cumulative_return_pct,
    end_cash AS cash,
    trades,
    costs,
    coalesce(date - previous_date, 0) AS days_since_last_session,
    carried_symbols
FROM equity
