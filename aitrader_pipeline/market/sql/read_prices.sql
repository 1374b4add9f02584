-- The bars of each symbol, as the lines of `aitrader_pipeline.market.bars.canonical`.
SELECT
    symbol,
    string_agg(
        concat(symbol, ',', date, ',', open, ',', high, ',', low, ',', close, ',', volume, chr(10)), '' ORDER BY date
    )
FROM prices
WHERE $through IS NULL OR date <= CAST($through AS DATE)
GROUP BY symbol
ORDER BY symbol;
