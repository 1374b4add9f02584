-- The equity curves of the models whose training cutoff is known, each cut in two there.
-- The name of a curve is a struct of the model and the period.
SELECT
    struct_pack(
        model := series.model,
        period := CASE WHEN series.date <= training_cutoff THEN 'in_sample' ELSE 'out_of_sample' END
    ) AS model,
    kind,
    date,
    base_equity,
    portfolio_value,
    daily_profit,
    exposure_pct,
    trades,
    costs
FROM main.portfolio_timeseries AS series
JOIN competitors ON competitors.model = series.model
WHERE training_cutoff IS NOT NULL
