CREATE TABLE uncertainty (
    model VARCHAR NOT NULL UNIQUE,
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline', 'benchmark')),
    sessions INTEGER NOT NULL,
    return_pct DOUBLE,
    return_low_pct DOUBLE,
    return_high_pct DOUBLE,
    sharpe_ratio DOUBLE,
    sharpe_low DOUBLE,
    sharpe_high DOUBLE,
    max_drawdown_pct DOUBLE,
    max_drawdown_low_pct DOUBLE,
    max_drawdown_high_pct DOUBLE,
    p_best DOUBLE CHECK (p_best IS NULL OR p_best BETWEEN 0 AND 1),
    tie_group VARCHAR,
    probabilistic_sharpe DOUBLE,
    deflated_sharpe DOUBLE,
    min_track_record_sessions DOUBLE,
    reason VARCHAR
);

CREATE TABLE pairwise_comparison (
    model_1 VARCHAR NOT NULL,
    model_2 VARCHAR NOT NULL CHECK (model_1 < model_2),
    sessions INTEGER NOT NULL,
    p_return_above DOUBLE CHECK (p_return_above IS NULL OR p_return_above BETWEEN 0 AND 1),
    p_sharpe_above DOUBLE CHECK (p_sharpe_above IS NULL OR p_sharpe_above BETWEEN 0 AND 1),
    p_adjusted DOUBLE,
    told_apart BOOLEAN,
    UNIQUE (model_1, model_2)
);

COMMENT ON COLUMN uncertainty.model IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN uncertainty.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN uncertainty.sessions IS 'Scored sessions';
COMMENT ON COLUMN uncertainty.return_pct IS 'Total return in percent';
COMMENT ON COLUMN uncertainty.return_low_pct IS 'Lower end of its confidence interval';
COMMENT ON COLUMN uncertainty.return_high_pct IS 'Upper end';
COMMENT ON COLUMN uncertainty.sharpe_ratio IS 'Annualised';
COMMENT ON COLUMN uncertainty.sharpe_low IS 'Lower end of its confidence interval';
COMMENT ON COLUMN uncertainty.sharpe_high IS 'Upper end';
COMMENT ON COLUMN uncertainty.max_drawdown_pct IS 'In percent, positive';
COMMENT ON COLUMN uncertainty.max_drawdown_low_pct IS 'Lower end of its confidence interval';
COMMENT ON COLUMN uncertainty.max_drawdown_high_pct IS 'Upper end';
COMMENT ON COLUMN uncertainty.p_best IS 'Probability that its return is the best of the board, on common sessions';
COMMENT ON COLUMN uncertainty.tie_group IS 'Letters: models that share one cannot be told apart by return';
COMMENT ON COLUMN uncertainty.probabilistic_sharpe IS 'Probability that the true Sharpe ratio is above 0';
COMMENT ON COLUMN uncertainty.deflated_sharpe IS 'Probability that it is above the best of as many models without skill';
COMMENT ON COLUMN uncertainty.min_track_record_sessions IS 'Sessions needed for a true Sharpe above 0 to be shown';
COMMENT ON COLUMN uncertainty.reason IS 'Why something is NULL, such as: too early';
COMMENT ON COLUMN pairwise_comparison.model_1 IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN pairwise_comparison.model_2 IS 'Another one, later in the alphabet';
COMMENT ON COLUMN pairwise_comparison.sessions IS 'Sessions that both have';
COMMENT ON COLUMN pairwise_comparison.p_return_above IS 'Probability that model_1 returns more, on these';
COMMENT ON COLUMN pairwise_comparison.p_sharpe_above IS 'Probability that its Sharpe ratio is higher';
COMMENT ON COLUMN pairwise_comparison.p_adjusted IS 'p-value that their returns are equal, adjusted for all pairs';
COMMENT ON COLUMN pairwise_comparison.told_apart IS 'Whether that is small enough for the confidence level';
