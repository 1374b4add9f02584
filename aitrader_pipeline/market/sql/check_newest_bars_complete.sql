-- Symbols of whose newest bar not all is known: it can be traded and not yet valued.
SELECT symbol, max(date), 'has its open alone'
FROM prices
GROUP BY symbol
HAVING arg_max(coalesce(high, low, close) IS NULL OR high IS NULL OR low IS NULL OR close IS NULL, date)
ORDER BY ALL;
