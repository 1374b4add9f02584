-- The hash of the lines of `aitrader_pipeline.market.bars.canonical`.
SELECT sha256(coalesce(string_agg(
    concat(symbol, ',', date, ',', open, ',', high, ',', low, ',', close, ',', volume, chr(10)),
    '' ORDER BY symbol, date
), ''))
FROM prices;
