SELECT
    symbol,
    date,
    stored.open, stored.high, stored.low, stored.close, stored.volume,
    staged.open, staged.high, staged.low, staged.close, staged.volume
FROM staged_prices AS staged
JOIN prices AS stored USING (symbol, date)
ORDER BY symbol, date;
