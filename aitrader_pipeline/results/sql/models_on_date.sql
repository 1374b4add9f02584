SELECT model FROM portfolio_timeseries WHERE date = $date
