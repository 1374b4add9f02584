SELECT model, list((date, cumulative_return_pct) ORDER BY date) AS curve
FROM portfolio_timeseries
GROUP BY model
ORDER BY max_by(cumulative_return_pct, date) DESC, model
