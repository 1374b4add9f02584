-- The curves cut into periods ($unit: week or month): each piece stands where a model stood.
SELECT * REPLACE ({'model': model, 'period': date_trunc($unit, date)::DATE} AS model) FROM main.portfolio_timeseries
