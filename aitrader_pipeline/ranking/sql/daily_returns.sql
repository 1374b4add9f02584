-- Every portfolio's daily returns as fractions, best portfolio first.
SELECT t.model, t.kind, t.date, t.daily_return_pct / 100 AS daily_return
FROM portfolio_timeseries AS t
JOIN performance_metrics AS m USING (model)
ORDER BY m.return_pct DESC NULLS LAST, t.model, t.date;
