-- Every metric of a model before and after its training cutoff.
SELECT competitors.model, competitors.training_cutoff, metrics.model.period AS period, metrics.* EXCLUDE (model)
FROM performance_metrics AS metrics
JOIN competitors ON competitors.model = metrics.model.model
ORDER BY competitors.model, period
