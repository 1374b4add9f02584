-- A stored open or close outside low to high. None is taken in so: this finds what was changed behind the
-- program's back.
SELECT
    symbol,
    date,
    CASE
        WHEN open BETWEEN low AND high THEN 'close ' || close
        ELSE 'open ' || open
    END || ' is outside low..high ' || low || '..' || high
FROM prices
WHERE NOT (open BETWEEN low AND high AND close BETWEEN low AND high)
ORDER BY ALL;
