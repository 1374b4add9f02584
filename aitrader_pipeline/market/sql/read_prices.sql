SELECT symbol, date, open, high, low, close, volume
FROM prices
WHERE $through IS NULL OR date <= CAST($through AS DATE)
ORDER BY symbol, date;
