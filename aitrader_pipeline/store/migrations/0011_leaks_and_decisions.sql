CREATE TABLE leak_findings (
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    finding INTEGER NOT NULL CHECK (finding > 0),
    step_number INTEGER NOT NULL CHECK (step_number > 0),
    source VARCHAR NOT NULL CHECK (source IN ('told', 'said')),
    kind VARCHAR NOT NULL CHECK (kind IN ('later_date', 'price_of_the_day', 'later_price')),
    symbol VARCHAR,
    value VARCHAR NOT NULL,
    of_date DATE NOT NULL CHECK (of_date >= date),
    text VARCHAR NOT NULL,
    CHECK ((symbol IS NULL) = (kind = 'later_date')),
    UNIQUE (date, model, finding)
);

CREATE TABLE leak_counts (
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    told INTEGER NOT NULL CHECK (told >= 0),
    said INTEGER NOT NULL CHECK (said >= 0),
    UNIQUE (date, model)
);

-- Sessions without a transcript are written anew from their records, and so looked through.
DELETE FROM reasoning_logs;

ALTER TABLE leaderboard ADD COLUMN leaks_told INTEGER;
ALTER TABLE leaderboard ADD COLUMN leaks_said INTEGER;

CREATE TABLE forward_returns (
    symbol VARCHAR NOT NULL,
    date DATE NOT NULL,
    forward_return_1_pct DOUBLE,
    forward_return_5_pct DOUBLE,
    forward_return_20_pct DOUBLE,
    UNIQUE (symbol, date)
);

CREATE TABLE model_agreement (
    model_1 VARCHAR NOT NULL,
    model_2 VARCHAR NOT NULL CHECK (model_1 < model_2),
    sessions INTEGER NOT NULL CHECK (sessions > 0),
    decisions BIGINT NOT NULL CHECK (decisions >= 0),
    observed_agreement DOUBLE CHECK (observed_agreement IS NULL OR observed_agreement BETWEEN 0 AND 1),
    kappa DOUBLE CHECK (kappa IS NULL OR kappa BETWEEN -1 AND 1),
    diverging BIGINT NOT NULL CHECK (diverging >= 0),
    side_return_1_1_pct DOUBLE,
    side_return_1_5_pct DOUBLE,
    side_return_1_20_pct DOUBLE,
    side_return_2_1_pct DOUBLE,
    side_return_2_5_pct DOUBLE,
    side_return_2_20_pct DOUBLE,
    reason VARCHAR,
    CHECK ((kappa IS NULL) = (reason IS NOT NULL)),
    UNIQUE (model_1, model_2)
);

CREATE TABLE confidence_calibration (
    model VARCHAR NOT NULL,
    bucket VARCHAR NOT NULL,
    decisions INTEGER NOT NULL CHECK (decisions >= 0),
    mean_confidence DOUBLE CHECK (mean_confidence IS NULL OR mean_confidence BETWEEN 0 AND 100),
    hit_rate_pct DOUBLE CHECK (hit_rate_pct IS NULL OR hit_rate_pct BETWEEN 0 AND 100),
    hit_rate_low_pct DOUBLE CHECK (hit_rate_low_pct IS NULL OR hit_rate_low_pct BETWEEN 0 AND 100),
    hit_rate_high_pct DOUBLE CHECK (hit_rate_high_pct IS NULL OR hit_rate_high_pct BETWEEN 0 AND 100),
    brier_score DOUBLE CHECK (brier_score IS NULL OR brier_score BETWEEN 0 AND 1),
    reliability DOUBLE,
    resolution DOUBLE,
    uncertainty DOUBLE,
    skill DOUBLE,
    reason VARCHAR,
    CHECK (bucket = 'all' OR (brier_score IS NULL AND decisions > 0)),
    CHECK (bucket <> 'all' OR (brier_score IS NULL) = (decisions = 0)),
    CHECK (decisions > 0 OR reason IS NOT NULL),
    UNIQUE (model, bucket)
);

CREATE TABLE profit_by_symbol (
    model VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    sector VARCHAR,
    realized_pnl DECIMAL(18, 6) NOT NULL,
    unrealized_pnl DECIMAL(18, 6) NOT NULL,
    dividends DECIMAL(18, 6) NOT NULL CHECK (dividends >= 0),
    costs DECIMAL(18, 6) NOT NULL CHECK (costs >= 0),
    profit DECIMAL(18, 6) NOT NULL CHECK (profit = realized_pnl + unrealized_pnl + dividends - costs),
    trades INTEGER NOT NULL CHECK (trades >= 0),
    UNIQUE (model, symbol)
);

CREATE TABLE market_models (
    model VARCHAR NOT NULL,
    benchmark VARCHAR NOT NULL,
    sessions INTEGER NOT NULL CHECK (sessions >= 0),
    beta DOUBLE,
    beta_standard_error DOUBLE CHECK (beta_standard_error IS NULL OR beta_standard_error >= 0),
    beta_p_value DOUBLE CHECK (beta_p_value IS NULL OR beta_p_value BETWEEN 0 AND 1),
    alpha_annual_pct DOUBLE,
    alpha_standard_error_annual_pct DOUBLE
        CHECK (alpha_standard_error_annual_pct IS NULL OR alpha_standard_error_annual_pct >= 0),
    alpha_p_value DOUBLE CHECK (alpha_p_value IS NULL OR alpha_p_value BETWEEN 0 AND 1),
    r_squared DOUBLE CHECK (r_squared IS NULL OR r_squared BETWEEN 0 AND 1),
    lags INTEGER NOT NULL CHECK (lags >= 0),
    reason VARCHAR,
    CHECK ((beta IS NULL) = (alpha_annual_pct IS NULL)),
    CHECK (beta IS NOT NULL OR reason IS NOT NULL),
    UNIQUE (model, benchmark)
);

COMMENT ON COLUMN leak_findings.date IS 'Session';
COMMENT ON COLUMN leak_findings.model IS 'Signature';
COMMENT ON COLUMN leak_findings.finding IS 'From 1 within the session; the first of them are kept';
COMMENT ON COLUMN leak_findings.step_number IS 'Its message in reasoning_logs';
COMMENT ON COLUMN leak_findings.source IS 'told: by prompt or tool; said: by the model';
COMMENT ON COLUMN leak_findings.kind IS 'A date after the session, its own high, low or close, or a price of a later one';
COMMENT ON COLUMN leak_findings.symbol IS 'Whose price; NULL for a date';
COMMENT ON COLUMN leak_findings.value IS 'The price or date as it is written';
COMMENT ON COLUMN leak_findings.of_date IS 'Session of the price, or the date';
COMMENT ON COLUMN leak_findings.text IS 'What stands around it';
COMMENT ON COLUMN leak_counts.date IS 'Session';
COMMENT ON COLUMN leak_counts.model IS 'Signature';
COMMENT ON COLUMN leak_counts.told IS 'Later prices and dates that it was told';
COMMENT ON COLUMN leak_counts.said IS 'Later prices that it said of itself';
COMMENT ON COLUMN leaderboard.leaks_told IS 'Later prices and dates that it was told in its sessions; NULL without transcripts';
COMMENT ON COLUMN leaderboard.leaks_said IS 'Later prices that it said of itself; NULL without transcripts';

COMMENT ON COLUMN forward_returns.symbol IS 'Ticker';
COMMENT ON COLUMN forward_returns.date IS 'Session at whose open it is bought';
COMMENT ON COLUMN forward_returns.forward_return_1_pct IS 'From that open to the same session''s close, in percent';
COMMENT ON COLUMN forward_returns.forward_return_5_pct IS 'To the close of the 5th session, splits and dividends included';
COMMENT ON COLUMN forward_returns.forward_return_20_pct IS 'To the close of the 20th session';

COMMENT ON COLUMN model_agreement.model_1 IS 'Signature';
COMMENT ON COLUMN model_agreement.model_2 IS 'Another one, later in the alphabet';
COMMENT ON COLUMN model_agreement.sessions IS 'Sessions that both have';
COMMENT ON COLUMN model_agreement.decisions IS 'Symbols on these sessions, whether buy, sell or none';
COMMENT ON COLUMN model_agreement.observed_agreement IS 'Share of them on which both did the same';
COMMENT ON COLUMN model_agreement.kappa IS 'Agreement beyond chance (Cohen): 1 full, 0 as by chance';
COMMENT ON COLUMN model_agreement.diverging IS 'Symbols and sessions on which they parted';
COMMENT ON COLUMN model_agreement.side_return_1_1_pct IS 'Mean return of model_1''s side where they parted, after 1 session, in percent';
COMMENT ON COLUMN model_agreement.side_return_1_5_pct IS 'The same after 5 sessions';
COMMENT ON COLUMN model_agreement.side_return_1_20_pct IS 'The same after 20 sessions';
COMMENT ON COLUMN model_agreement.side_return_2_1_pct IS 'Mean return of model_2''s side where they parted, after 1 session, in percent';
COMMENT ON COLUMN model_agreement.side_return_2_5_pct IS 'The same after 5 sessions';
COMMENT ON COLUMN model_agreement.side_return_2_20_pct IS 'The same after 20 sessions';
COMMENT ON COLUMN model_agreement.reason IS 'Why kappa is NULL';

COMMENT ON COLUMN confidence_calibration.model IS 'Signature';
COMMENT ON COLUMN confidence_calibration.bucket IS 'Stated confidence in percent, such as 70-80; or all';
COMMENT ON COLUMN confidence_calibration.decisions IS 'With a stated confidence and a known outcome';
COMMENT ON COLUMN confidence_calibration.mean_confidence IS 'In percent';
COMMENT ON COLUMN confidence_calibration.hit_rate_pct IS 'Share of them that came true after 5 sessions';
COMMENT ON COLUMN confidence_calibration.hit_rate_low_pct IS 'Lower end of its 95 % Wilson interval';
COMMENT ON COLUMN confidence_calibration.hit_rate_high_pct IS 'Upper end';
COMMENT ON COLUMN confidence_calibration.brier_score IS 'Mean squared error of the confidence; of all alone';
COMMENT ON COLUMN confidence_calibration.reliability IS 'What is lost as stated and realised frequencies differ';
COMMENT ON COLUMN confidence_calibration.resolution IS 'What is won by telling likely from unlikely';
COMMENT ON COLUMN confidence_calibration.uncertainty IS 'Variance of the outcomes';
COMMENT ON COLUMN confidence_calibration.skill IS '1 - brier_score / uncertainty; NULL where all outcomes are the same';
COMMENT ON COLUMN confidence_calibration.reason IS 'Why figures are NULL';

COMMENT ON COLUMN profit_by_symbol.model IS 'Signature';
COMMENT ON COLUMN profit_by_symbol.symbol IS 'Ticker, the newest where it has changed';
COMMENT ON COLUMN profit_by_symbol.sector IS 'NULL: no source states it';
COMMENT ON COLUMN profit_by_symbol.realized_pnl IS 'Of closed trades, without costs';
COMMENT ON COLUMN profit_by_symbol.unrealized_pnl IS 'Of open lots at the newest scored close';
COMMENT ON COLUMN profit_by_symbol.dividends IS 'Paid in cash';
COMMENT ON COLUMN profit_by_symbol.costs IS 'Costs of its fills';
COMMENT ON COLUMN profit_by_symbol.profit IS 'realized_pnl + unrealized_pnl + dividends - costs';
COMMENT ON COLUMN profit_by_symbol.trades IS 'Fills';

COMMENT ON COLUMN market_models.model IS 'Signature';
COMMENT ON COLUMN market_models.benchmark IS 'Portfolio of kind benchmark that its returns are explained by';
COMMENT ON COLUMN market_models.sessions IS 'Sessions that both have';
COMMENT ON COLUMN market_models.beta IS 'Return per return of the benchmark';
COMMENT ON COLUMN market_models.beta_standard_error IS 'Newey-West';
COMMENT ON COLUMN market_models.beta_p_value IS 'Two-sided, against 0; NULL where the error is 0';
COMMENT ON COLUMN market_models.alpha_annual_pct IS '252 times a session''s return that the benchmark does not explain, in percent';
COMMENT ON COLUMN market_models.alpha_standard_error_annual_pct IS 'Newey-West';
COMMENT ON COLUMN market_models.alpha_p_value IS 'Two-sided, against 0; NULL where the error is 0';
COMMENT ON COLUMN market_models.r_squared IS 'Share of the variance that the benchmark explains';
COMMENT ON COLUMN market_models.lags IS 'Lags of the Newey-West errors';
COMMENT ON COLUMN market_models.reason IS 'Why figures are NULL';

CREATE TABLE decision_outcomes (
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    decision VARCHAR NOT NULL CHECK (decision IN ('buy', 'sell')),
    confidence DOUBLE CHECK (confidence IS NULL OR confidence BETWEEN 0 AND 100),
    executed BOOLEAN NOT NULL,
    side_return_1_pct DOUBLE,
    side_return_5_pct DOUBLE,
    side_return_20_pct DOUBLE
);

-- Where two models that both traded a session parted on a symbol that one of them ordered. The union is of what
-- model_1 ordered and of what model_2 alone did.
CREATE VIEW decision_divergence AS
WITH parted AS (
    SELECT
        one.date,
        one.symbol,
        one.model AS model_1,
        one.decision AS decision_1,
        session.model AS model_2,
        coalesce(other.decision, 'none') AS decision_2
    FROM decision_outcomes AS one
    JOIN daily_pnl AS session ON session.date = one.date AND session.model > one.model
    LEFT JOIN decision_outcomes AS other
        ON other.date = one.date AND other.symbol = one.symbol AND other.model = session.model
    WHERE other.decision IS DISTINCT FROM one.decision
    UNION ALL
    SELECT
        other.date,
        other.symbol,
        session.model,
        'none',
        other.model,
        other.decision
    FROM decision_outcomes AS other
    JOIN daily_pnl AS session ON session.date = other.date AND session.model < other.model
    ANTI JOIN decision_outcomes AS one
        ON one.date = other.date AND one.symbol = other.symbol AND one.model = session.model
)
SELECT
    parted.*,
    forward_return_1_pct,
    forward_return_5_pct,
    forward_return_20_pct,
    forward_return_1_pct * CASE decision_1 WHEN 'buy' THEN 1 WHEN 'sell' THEN -1 ELSE 0 END + 0 AS side_return_1_1_pct,
    forward_return_5_pct * CASE decision_1 WHEN 'buy' THEN 1 WHEN 'sell' THEN -1 ELSE 0 END + 0 AS side_return_1_5_pct,
    forward_return_20_pct * CASE decision_1 WHEN 'buy' THEN 1 WHEN 'sell' THEN -1 ELSE 0 END + 0 AS side_return_1_20_pct,
    forward_return_1_pct * CASE decision_2 WHEN 'buy' THEN 1 WHEN 'sell' THEN -1 ELSE 0 END + 0 AS side_return_2_1_pct,
    forward_return_5_pct * CASE decision_2 WHEN 'buy' THEN 1 WHEN 'sell' THEN -1 ELSE 0 END + 0 AS side_return_2_5_pct,
    forward_return_20_pct * CASE decision_2 WHEN 'buy' THEN 1 WHEN 'sell' THEN -1 ELSE 0 END + 0 AS side_return_2_20_pct
FROM parted
LEFT JOIN forward_returns USING (symbol, date);

COMMENT ON COLUMN decision_outcomes.date IS 'Session';
COMMENT ON COLUMN decision_outcomes.model IS 'Signature';
COMMENT ON COLUMN decision_outcomes.symbol IS 'Ticker that it ordered';
COMMENT ON COLUMN decision_outcomes.decision IS 'Its newest order of the session that was filled, else the newest: buy or sell';
COMMENT ON COLUMN decision_outcomes.confidence IS 'As stated of it, 0 to 100';
COMMENT ON COLUMN decision_outcomes.executed IS 'Whether it was filled';
COMMENT ON COLUMN decision_outcomes.side_return_1_pct IS 'Return of its side from the session''s open to its close, in percent: a sell has the opposite of the symbol''s';
COMMENT ON COLUMN decision_outcomes.side_return_5_pct IS 'To the close of the 5th session';
COMMENT ON COLUMN decision_outcomes.side_return_20_pct IS 'To the close of the 20th session';
COMMENT ON COLUMN decision_divergence.date IS 'Session that both traded';
COMMENT ON COLUMN decision_divergence.symbol IS 'Ticker on which they parted';
COMMENT ON COLUMN decision_divergence.model_1 IS 'Signature';
COMMENT ON COLUMN decision_divergence.decision_1 IS 'buy, sell or none';
COMMENT ON COLUMN decision_divergence.model_2 IS 'Another one, later in the alphabet';
COMMENT ON COLUMN decision_divergence.decision_2 IS 'buy, sell or none';
COMMENT ON COLUMN decision_divergence.forward_return_1_pct IS 'Return of the symbol from the session''s open to its close, in percent';
COMMENT ON COLUMN decision_divergence.forward_return_5_pct IS 'To the close of the 5th session';
COMMENT ON COLUMN decision_divergence.forward_return_20_pct IS 'To the close of the 20th session';
COMMENT ON COLUMN decision_divergence.side_return_1_1_pct IS 'Return of model_1''s side after 1 session: the symbol''s, its opposite for a sell, 0 for none';
COMMENT ON COLUMN decision_divergence.side_return_1_5_pct IS 'Of model_1''s side after 5 sessions';
COMMENT ON COLUMN decision_divergence.side_return_1_20_pct IS 'Of model_1''s side after 20 sessions';
COMMENT ON COLUMN decision_divergence.side_return_2_1_pct IS 'Of model_2''s side after 1 session';
COMMENT ON COLUMN decision_divergence.side_return_2_5_pct IS 'Of model_2''s side after 5 sessions';
COMMENT ON COLUMN decision_divergence.side_return_2_20_pct IS 'Of model_2''s side after 20 sessions';
