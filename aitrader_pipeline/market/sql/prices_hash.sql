-- The same canonical text as `aitrader_pipeline.market.bars.canonical`, a line a bar.
SELECT sha256(coalesce(string_agg(
    concat(
        symbol, ',', date, ',', open, ',', coalesce(CAST(high AS VARCHAR), ''), ',',
        coalesce(CAST(low AS VARCHAR), ''), ',', coalesce(CAST(close AS VARCHAR), ''), ',',
        coalesce(CAST(volume AS VARCHAR), ''), chr(10)
    ),
    '' ORDER BY symbol, date
), ''))
FROM prices;
