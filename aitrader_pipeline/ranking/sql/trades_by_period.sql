-- The trades by model and period of their exit ($unit: week or month).
SELECT * REPLACE ({'model': model_id, 'period': date_trunc($unit, exit_date)::DATE} AS model_id) FROM main.trade_log
