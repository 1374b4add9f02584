-- What some session may have seen otherwise: staged bars, and such as come late, up to the newest stored session.
SELECT symbol, list(date ORDER BY date)
FROM staged_prices
WHERE date <= (SELECT max(date) FROM prices)
GROUP BY symbol
ORDER BY symbol;
