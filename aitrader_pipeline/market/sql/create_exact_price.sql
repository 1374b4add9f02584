-- A price that needs no second look, with six decimals; else NULL. What lies exactly between two of them is left to
-- the careful way, which rounds half to even.
CREATE MACRO exact_price(given) AS CASE
    WHEN
        regexp_full_match(given, '[0-9]{1,12}(\.[0-9]+)?')
        AND (length(given) - strpos(given, '.') <= 6 OR NOT regexp_matches(given, '\.[0-9]{6}50*$'))
        THEN TRY_CAST(given AS DECIMAL(18, 6))
END;
