CREATE TABLE competitors (
    model VARCHAR NOT NULL UNIQUE,
    replica_of VARCHAR,
    trader VARCHAR NOT NULL,
    training_cutoff DATE
);

CREATE TABLE replica_groups (
    model VARCHAR NOT NULL UNIQUE,
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline', 'benchmark')),
    replicas INTEGER NOT NULL CHECK (replicas >= 1),
    sessions INTEGER NOT NULL CHECK (sessions >= 1),
    mean_portfolio_value DOUBLE NOT NULL,
    mean_return_pct DOUBLE,
    deviation_return_pct DOUBLE CHECK (deviation_return_pct IS NULL OR deviation_return_pct >= 0),
    low_return_pct DOUBLE,
    high_return_pct DOUBLE,
    mean_sharpe_ratio DOUBLE,
    deviation_sharpe_ratio DOUBLE CHECK (deviation_sharpe_ratio IS NULL OR deviation_sharpe_ratio >= 0),
    low_sharpe_ratio DOUBLE,
    high_sharpe_ratio DOUBLE,
    mean_max_drawdown_pct DOUBLE,
    deviation_max_drawdown_pct DOUBLE CHECK (deviation_max_drawdown_pct IS NULL OR deviation_max_drawdown_pct >= 0),
    low_max_drawdown_pct DOUBLE,
    high_max_drawdown_pct DOUBLE,
    mean_trades DOUBLE NOT NULL,
    variance_market_pct DOUBLE CHECK (variance_market_pct IS NULL OR variance_market_pct >= 0),
    variance_model_pct DOUBLE CHECK (variance_model_pct IS NULL OR variance_model_pct >= 0),
    variance_model_day_pct DOUBLE CHECK (variance_model_day_pct IS NULL OR variance_model_day_pct >= 0),
    variance_replica_pct DOUBLE CHECK (variance_replica_pct IS NULL OR variance_replica_pct >= 0),
    reason VARCHAR
);

CREATE TABLE null_standing (
    model VARCHAR NOT NULL UNIQUE,
    sessions INTEGER NOT NULL CHECK (sessions >= 1),
    random_traders INTEGER NOT NULL CHECK (random_traders >= 0),
    return_percentile DOUBLE CHECK (return_percentile IS NULL OR return_percentile BETWEEN 0 AND 100),
    return_p_value DOUBLE CHECK (return_p_value IS NULL OR (return_p_value > 0 AND return_p_value <= 1)),
    sharpe_percentile DOUBLE CHECK (sharpe_percentile IS NULL OR sharpe_percentile BETWEEN 0 AND 100),
    sharpe_p_value DOUBLE CHECK (sharpe_p_value IS NULL OR (sharpe_p_value > 0 AND sharpe_p_value <= 1)),
    reason VARCHAR
);

CREATE TABLE contamination (
    model VARCHAR NOT NULL,
    training_cutoff DATE NOT NULL,
    period VARCHAR NOT NULL CHECK (period IN ('in_sample', 'out_of_sample')),
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline', 'benchmark')),
    first_date DATE NOT NULL,
    last_date DATE NOT NULL,
    sessions INTEGER NOT NULL CHECK (sessions >= 1),
    starting_equity DECIMAL(18, 6) NOT NULL,
    portfolio_value DECIMAL(18, 6) NOT NULL,
    profit DECIMAL(18, 6) NOT NULL,
    return_pct DOUBLE,
    annualised_return_pct DOUBLE,
    volatility_pct DOUBLE,
    sharpe_ratio DOUBLE,
    sortino_ratio DOUBLE,
    max_drawdown_pct DOUBLE,
    max_drawdown DECIMAL(18, 6),
    cagr_pct DOUBLE,
    calmar_ratio DOUBLE,
    exposure_pct DOUBLE,
    trades INTEGER NOT NULL,
    costs DECIMAL(18, 6) NOT NULL,
    UNIQUE (model, period),
    CHECK (first_date <= last_date),
    CHECK ((period = 'in_sample') = (last_date <= training_cutoff)),
    CHECK ((period = 'out_of_sample') = (first_date > training_cutoff))
);

ALTER TABLE leaderboard ADD COLUMN replica_of VARCHAR;
ALTER TABLE leaderboard ADD COLUMN training_cutoff DATE;
ALTER TABLE leaderboard ADD COLUMN in_sample_sessions INTEGER;

COMMENT ON COLUMN leaderboard.replica_of IS 'The model of which it is a replica; NULL for a portfolio of its own';
COMMENT ON COLUMN leaderboard.training_cutoff IS 'Last day that its training data may know of; NULL where unknown';
COMMENT ON COLUMN leaderboard.in_sample_sessions IS 'Sessions up to training_cutoff; NULL where that is unknown';

COMMENT ON COLUMN competitors.model IS 'Signature of the portfolio';
COMMENT ON COLUMN competitors.replica_of IS 'The model of which it is a replica; NULL for a portfolio of its own';
COMMENT ON COLUMN competitors.trader IS 'Who decides, as the config says';
COMMENT ON COLUMN competitors.training_cutoff IS 'Last day that its training data may know of; NULL where unknown';

COMMENT ON COLUMN replica_groups.model IS 'Signature as the config gives it, or the benchmark’s name';
COMMENT ON COLUMN replica_groups.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN replica_groups.replicas IS 'Its portfolios; 1 for one without replicas';
COMMENT ON COLUMN replica_groups.sessions IS 'Scored sessions that all of them have; the figures are over these';
COMMENT ON COLUMN replica_groups.mean_portfolio_value IS 'Mean of their closing equities';
COMMENT ON COLUMN replica_groups.mean_return_pct IS 'Mean of their returns';
COMMENT ON COLUMN replica_groups.deviation_return_pct IS 'Sample standard deviation; NULL for fewer than two';
COMMENT ON COLUMN replica_groups.low_return_pct IS 'The least';
COMMENT ON COLUMN replica_groups.high_return_pct IS 'The greatest';
COMMENT ON COLUMN replica_groups.mean_sharpe_ratio IS 'Mean over those that have one';
COMMENT ON COLUMN replica_groups.deviation_sharpe_ratio IS 'Sample standard deviation';
COMMENT ON COLUMN replica_groups.low_sharpe_ratio IS 'The least';
COMMENT ON COLUMN replica_groups.high_sharpe_ratio IS 'The greatest';
COMMENT ON COLUMN replica_groups.mean_max_drawdown_pct IS 'Mean, positive';
COMMENT ON COLUMN replica_groups.deviation_max_drawdown_pct IS 'Sample standard deviation';
COMMENT ON COLUMN replica_groups.low_max_drawdown_pct IS 'The least';
COMMENT ON COLUMN replica_groups.high_max_drawdown_pct IS 'The greatest';
COMMENT ON COLUMN replica_groups.mean_trades IS 'Fills per portfolio';
COMMENT ON COLUMN replica_groups.variance_market_pct IS 'Of the variance of daily returns of this kind: common to all on a day';
COMMENT ON COLUMN replica_groups.variance_model_pct IS 'Of the same: the model, on all days alike';
COMMENT ON COLUMN replica_groups.variance_model_day_pct IS 'Of the same: the model on a day, in all its replicas';
COMMENT ON COLUMN replica_groups.variance_replica_pct IS 'Of the same: one replica against the others of its model';
COMMENT ON COLUMN replica_groups.reason IS 'Why a part of the variance is NULL';

COMMENT ON COLUMN null_standing.model IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN null_standing.sessions IS 'Scored sessions, the same for the random traders';
COMMENT ON COLUMN null_standing.random_traders IS 'Other random traders that have all of them';
COMMENT ON COLUMN null_standing.return_percentile IS 'Where its return stands among theirs: 50 is the middle';
COMMENT ON COLUMN null_standing.return_p_value IS 'Probability that a random trader returns as much or more';
COMMENT ON COLUMN null_standing.sharpe_percentile IS 'Where its Sharpe ratio stands among theirs';
COMMENT ON COLUMN null_standing.sharpe_p_value IS 'Probability that a random trader’s is as high or higher';
COMMENT ON COLUMN null_standing.reason IS 'Why something is NULL';

COMMENT ON COLUMN contamination.model IS 'Signature of a model whose training cutoff is known';
COMMENT ON COLUMN contamination.training_cutoff IS 'Last day that its training data may know of';
COMMENT ON COLUMN contamination.period IS 'in_sample up to the cutoff, out_of_sample after it';
COMMENT ON COLUMN contamination.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN contamination.first_date IS 'First session of the period';
COMMENT ON COLUMN contamination.last_date IS 'Last session of the period';
COMMENT ON COLUMN contamination.sessions IS 'Scored sessions';
COMMENT ON COLUMN contamination.starting_equity IS 'Equity before the first session';
COMMENT ON COLUMN contamination.portfolio_value IS 'Closing equity of the last session';
COMMENT ON COLUMN contamination.profit IS 'portfolio_value less starting_equity';
COMMENT ON COLUMN contamination.return_pct IS 'In percent of starting_equity';
COMMENT ON COLUMN contamination.annualised_return_pct IS 'Over calendar days; NULL under 63 sessions';
COMMENT ON COLUMN contamination.volatility_pct IS 'Annualised standard deviation of daily returns';
COMMENT ON COLUMN contamination.sharpe_ratio IS 'Annualised; NULL where undefined';
COMMENT ON COLUMN contamination.sortino_ratio IS 'Annualised; NULL where undefined';
COMMENT ON COLUMN contamination.max_drawdown_pct IS 'Largest fall from a peak of the period, in percent of it';
COMMENT ON COLUMN contamination.max_drawdown IS 'The same fall in money';
COMMENT ON COLUMN contamination.cagr_pct IS 'Compound growth over 252 sessions a year';
COMMENT ON COLUMN contamination.calmar_ratio IS 'CAGR over maximum drawdown';
COMMENT ON COLUMN contamination.exposure_pct IS 'Mean of the daily exposure';
COMMENT ON COLUMN contamination.trades IS 'Fills';
COMMENT ON COLUMN contamination.costs IS 'Costs';
