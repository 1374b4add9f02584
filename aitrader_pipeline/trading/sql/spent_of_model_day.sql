-- SQLite. What counts, and how much of it other sessions' calls that are under way may yet give back.
SELECT
    total(counted_usd) AS counted,
    total(counted_usd) FILTER (WHERE outcome = 'open' AND begun_at > :alive AND session <> :session) AS pending
FROM calls
WHERE model = :model AND date = :date
