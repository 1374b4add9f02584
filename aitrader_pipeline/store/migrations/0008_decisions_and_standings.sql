CREATE TABLE decision_log (
    job_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    model_id VARCHAR NOT NULL,
    decision_number INTEGER NOT NULL CHECK (decision_number > 0),
    symbol VARCHAR NOT NULL,
    decision VARCHAR NOT NULL CHECK (decision IN ('buy', 'sell', 'hold', 'close')),
    reasoning VARCHAR,
    confidence DOUBLE CHECK (confidence IS NULL OR confidence BETWEEN 0 AND 100),
    timestamp TIMESTAMPTZ NOT NULL,
    decided_at TIMESTAMPTZ,
    current_price DECIMAL(18, 6) CHECK (current_price IS NULL OR current_price > 0),
    position_size BIGINT CHECK (position_size IS NULL OR position_size > 0),
    entry_price DECIMAL(18, 6) CHECK (entry_price IS NULL OR entry_price > 0),
    stop_loss DECIMAL(18, 6) CHECK (stop_loss IS NULL OR stop_loss > 0),
    take_profit DECIMAL(18, 6) CHECK (take_profit IS NULL OR take_profit > 0),
    direction VARCHAR CHECK (direction IS NULL OR direction IN ('long', 'short')),
    executed BOOLEAN NOT NULL,
    execution_price DECIMAL(18, 6) CHECK (execution_price IS NULL OR execution_price > 0),
    execution_time TIMESTAMPTZ,
    execution_status VARCHAR CHECK (
        execution_status IS NULL OR execution_status IN ('filled', 'rejected', 'pending', 'cancelled')
    ),
    action_id INTEGER CHECK (action_id IS NULL OR action_id > 0),
    refusal VARCHAR,
    UNIQUE (date, model_id, decision_number),
    CHECK (executed = (execution_status IS NOT DISTINCT FROM 'filled')),
    CHECK (executed = (execution_price IS NOT NULL)),
    CHECK (executed = (execution_time IS NOT NULL)),
    CHECK (executed = (action_id IS NOT NULL)),
    CHECK ((execution_status IS NOT DISTINCT FROM 'rejected') = (refusal IS NOT NULL))
);

CREATE TABLE leaderboard_snapshots (
    model_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline', 'benchmark')),
    timeframe VARCHAR NOT NULL CHECK (timeframe IN ('daily', 'weekly', 'monthly', 'all_time')),
    snapshot_time TIMESTAMPTZ NOT NULL,
    date DATE NOT NULL,
    rank INTEGER NOT NULL CHECK (rank >= 1),
    previous_rank INTEGER CHECK (previous_rank IS NULL OR previous_rank >= 1),
    sessions INTEGER NOT NULL CHECK (sessions > 0),
    total_return_pct DOUBLE NOT NULL CHECK (isfinite(total_return_pct)),
    total_return_dollars DECIMAL(18, 6) NOT NULL,
    current_equity DECIMAL(18, 6) NOT NULL CHECK (current_equity >= 0),
    sharpe_ratio DOUBLE CHECK (sharpe_ratio IS NULL OR isfinite(sharpe_ratio)),
    max_drawdown_pct DOUBLE CHECK (max_drawdown_pct IS NULL OR max_drawdown_pct BETWEEN 0 AND 100),
    total_trades INTEGER NOT NULL CHECK (total_trades >= 0),
    win_rate DOUBLE CHECK (win_rate IS NULL OR win_rate BETWEEN 0 AND 100),
    profit_factor DOUBLE CHECK (profit_factor IS NULL OR profit_factor >= 0),
    no_losses BOOLEAN NOT NULL CHECK (NOT no_losses OR profit_factor IS NULL),
    open_positions_count INTEGER CHECK (open_positions_count IS NULL OR open_positions_count >= 0),
    total_exposure_pct DOUBLE CHECK (total_exposure_pct IS NULL OR total_exposure_pct >= 0),
    UNIQUE (model_id, timeframe, snapshot_time)
);

CREATE TABLE current_standings (
    model_id VARCHAR NOT NULL UNIQUE,
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline', 'benchmark')),
    snapshot_time TIMESTAMPTZ NOT NULL,
    date DATE NOT NULL,
    sessions INTEGER NOT NULL CHECK (sessions > 0),
    total_return_pct DOUBLE NOT NULL CHECK (isfinite(total_return_pct)),
    total_return_dollars DECIMAL(18, 6) NOT NULL,
    current_equity DECIMAL(18, 6) NOT NULL CHECK (current_equity >= 0),
    sharpe_ratio DOUBLE CHECK (sharpe_ratio IS NULL OR isfinite(sharpe_ratio)),
    max_drawdown_pct DOUBLE CHECK (max_drawdown_pct IS NULL OR max_drawdown_pct BETWEEN 0 AND 100),
    total_trades INTEGER NOT NULL CHECK (total_trades >= 0),
    win_rate DOUBLE CHECK (win_rate IS NULL OR win_rate BETWEEN 0 AND 100),
    profit_factor DOUBLE CHECK (profit_factor IS NULL OR profit_factor >= 0),
    no_losses BOOLEAN NOT NULL CHECK (NOT no_losses OR profit_factor IS NULL),
    open_positions_count INTEGER CHECK (open_positions_count IS NULL OR open_positions_count >= 0),
    total_exposure_pct DOUBLE CHECK (total_exposure_pct IS NULL OR total_exposure_pct >= 0)
);

-- Decisions at most five minutes apart lie in the same slot of five minutes or in neighbouring ones: slots are what
-- can be joined by equality, the exact distance is asked of what they bring together.
CREATE VIEW decision_comparison AS
WITH slotted AS NOT MATERIALIZED (SELECT *, epoch_us(timestamp) // 300000000 AS slot FROM decision_log),
reaching AS (SELECT *, unnest([slot - 1, slot, slot + 1]) AS near FROM slotted)
SELECT
    d1.symbol,
    d1.timestamp,
    d1.current_price,
    d1.model_id AS model_1_id,
    d1.decision AS model_1_decision,
    d1.confidence AS model_1_confidence,
    d2.model_id AS model_2_id,
    d2.decision AS model_2_decision,
    d2.confidence AS model_2_confidence,
    abs(epoch_us(d1.timestamp) - epoch_us(d2.timestamp)) / 60000000 AS time_diff_minutes,
    d1.date,
    d1.decision_number AS model_1_decision_number,
    d1.executed AS model_1_executed,
    d2.decision_number AS model_2_decision_number,
    d2.executed AS model_2_executed
FROM reaching AS d1
JOIN slotted AS d2
    ON d1.symbol = d2.symbol
    AND d1.near = d2.slot
    AND d1.model_id < d2.model_id
    AND abs(epoch_us(d1.timestamp) - epoch_us(d2.timestamp)) <= 300000000;

CREATE VIEW rank_history AS
SELECT
    model_id,
    timeframe,
    snapshot_time,
    rank,
    total_return_pct,
    previous_rank,
    rank - previous_rank AS rank_change,
    kind,
    date
FROM leaderboard_snapshots;

CREATE VIEW top_performers AS
SELECT
    model_id,
    timeframe,
    rank,
    total_return_pct,
    sharpe_ratio,
    max_drawdown_pct,
    snapshot_time,
    kind,
    date
FROM leaderboard_snapshots
SEMI JOIN (SELECT timeframe, max(snapshot_time) AS snapshot_time FROM leaderboard_snapshots GROUP BY timeframe)
    USING (timeframe, snapshot_time)
WHERE rank <= 10;

COMMENT ON COLUMN decision_log.job_id IS 'The launch that ran the session';
COMMENT ON COLUMN decision_log.date IS 'Session';
COMMENT ON COLUMN decision_log.model_id IS 'Signature';
COMMENT ON COLUMN decision_log.decision_number IS 'Order of the session, from 1, refused ones too';
COMMENT ON COLUMN decision_log.symbol IS 'Ticker as it was ordered';
COMMENT ON COLUMN decision_log.decision IS 'What was ordered; who orders nothing has no row';
COMMENT ON COLUMN decision_log.reasoning IS 'Text of the turn that ordered it, else the newest before; NULL without words';
COMMENT ON COLUMN decision_log.confidence IS 'As stated, 0 to 100; NULL where nothing was stated';
COMMENT ON COLUMN decision_log.timestamp IS 'Simulated moment of the decision: the session''s open';
COMMENT ON COLUMN decision_log.decided_at IS 'The same by the wall clock; NULL for a recorded book';
COMMENT ON COLUMN decision_log.current_price IS 'Today''s open; NULL where the symbol has none';
COMMENT ON COLUMN decision_log.position_size IS 'Whole shares ordered; NULL where the amount was no such number';
COMMENT ON COLUMN decision_log.entry_price IS 'As the order''s arguments stated it; orders fill at the open all the same';
COMMENT ON COLUMN decision_log.stop_loss IS 'As stated; nothing acts on it';
COMMENT ON COLUMN decision_log.take_profit IS 'As stated; nothing acts on it';
COMMENT ON COLUMN decision_log.direction IS 'long: nothing is sold short';
COMMENT ON COLUMN decision_log.executed IS 'Whether it was filled';
COMMENT ON COLUMN decision_log.execution_price IS 'Fill price';
COMMENT ON COLUMN decision_log.execution_time IS 'The session''s open';
COMMENT ON COLUMN decision_log.execution_status IS 'filled or rejected';
COMMENT ON COLUMN decision_log.action_id IS 'Its fill in positions';
COMMENT ON COLUMN decision_log.refusal IS 'Why it was rejected: the ledger''s code';

COMMENT ON COLUMN leaderboard_snapshots.model_id IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN leaderboard_snapshots.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN leaderboard_snapshots.timeframe IS 'The session, its ISO week, its month, or all, up to the snapshot';
COMMENT ON COLUMN leaderboard_snapshots.snapshot_time IS 'Close of the session';
COMMENT ON COLUMN leaderboard_snapshots.date IS 'Session';
COMMENT ON COLUMN leaderboard_snapshots.rank IS 'By return, then Sharpe, then drawdown; exact ties share a rank';
COMMENT ON COLUMN leaderboard_snapshots.previous_rank IS 'Its rank in the snapshot before of the same timeframe; NULL in its first';
COMMENT ON COLUMN leaderboard_snapshots.sessions IS 'Scored sessions in the timeframe';
COMMENT ON COLUMN leaderboard_snapshots.total_return_pct IS 'In percent of the equity before its first session';
COMMENT ON COLUMN leaderboard_snapshots.total_return_dollars IS 'The same in money';
COMMENT ON COLUMN leaderboard_snapshots.current_equity IS 'Closing equity';
COMMENT ON COLUMN leaderboard_snapshots.sharpe_ratio IS 'Of its daily returns, annualised; NULL where undefined';
COMMENT ON COLUMN leaderboard_snapshots.max_drawdown_pct IS 'Largest fall from a peak within it';
COMMENT ON COLUMN leaderboard_snapshots.total_trades IS 'Trades closed in it';
COMMENT ON COLUMN leaderboard_snapshots.win_rate IS 'Those with a profit, in percent of all; NULL without trades';
COMMENT ON COLUMN leaderboard_snapshots.profit_factor IS 'Gains over losses; NULL without losses';
COMMENT ON COLUMN leaderboard_snapshots.no_losses IS 'Trades were closed, and none with a loss';
COMMENT ON COLUMN leaderboard_snapshots.open_positions_count IS 'Symbols held at the close; NULL for a benchmark';
COMMENT ON COLUMN leaderboard_snapshots.total_exposure_pct IS 'Holdings in percent of equity at the close; NULL without equity';

COMMENT ON COLUMN current_standings.model_id IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN current_standings.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN current_standings.snapshot_time IS 'Close of its newest scored session';
COMMENT ON COLUMN current_standings.date IS 'That session';
COMMENT ON COLUMN current_standings.sessions IS 'Scored sessions';
COMMENT ON COLUMN current_standings.total_return_pct IS 'In percent of the initial cash';
COMMENT ON COLUMN current_standings.total_return_dollars IS 'The same in money';
COMMENT ON COLUMN current_standings.current_equity IS 'Closing equity';
COMMENT ON COLUMN current_standings.sharpe_ratio IS 'Annualised; NULL where undefined';
COMMENT ON COLUMN current_standings.max_drawdown_pct IS 'Largest fall from a peak, in percent of it';
COMMENT ON COLUMN current_standings.total_trades IS 'Trades closed';
COMMENT ON COLUMN current_standings.win_rate IS 'Those with a profit, in percent of all; NULL without trades';
COMMENT ON COLUMN current_standings.profit_factor IS 'Gains over losses; NULL without losses';
COMMENT ON COLUMN current_standings.no_losses IS 'Trades were closed, and none with a loss';
COMMENT ON COLUMN current_standings.open_positions_count IS 'Symbols held at the close; NULL for a benchmark';
COMMENT ON COLUMN current_standings.total_exposure_pct IS 'Holdings in percent of equity at the close; NULL without equity';

COMMENT ON COLUMN decision_comparison.symbol IS 'Ticker that both ordered';
COMMENT ON COLUMN decision_comparison.timestamp IS 'Simulated moment of model_1''s decision';
COMMENT ON COLUMN decision_comparison.current_price IS 'Today''s open';
COMMENT ON COLUMN decision_comparison.model_1_id IS 'Signature';
COMMENT ON COLUMN decision_comparison.model_1_decision IS 'buy or sell';
COMMENT ON COLUMN decision_comparison.model_1_confidence IS 'As stated, 0 to 100';
COMMENT ON COLUMN decision_comparison.model_2_id IS 'Another one, later in the alphabet';
COMMENT ON COLUMN decision_comparison.model_2_decision IS 'buy or sell';
COMMENT ON COLUMN decision_comparison.model_2_confidence IS 'As stated, 0 to 100';
COMMENT ON COLUMN decision_comparison.time_diff_minutes IS 'Simulated minutes between them, at most 5';
COMMENT ON COLUMN decision_comparison.date IS 'Session of model_1''s decision';
COMMENT ON COLUMN decision_comparison.model_1_decision_number IS 'Its order of the session';
COMMENT ON COLUMN decision_comparison.model_1_executed IS 'Whether it was filled';
COMMENT ON COLUMN decision_comparison.model_2_decision_number IS 'Its order of the session';
COMMENT ON COLUMN decision_comparison.model_2_executed IS 'Whether it was filled';

COMMENT ON COLUMN rank_history.model_id IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN rank_history.timeframe IS 'daily, weekly, monthly or all_time';
COMMENT ON COLUMN rank_history.snapshot_time IS 'Close of the session';
COMMENT ON COLUMN rank_history.rank IS 'Rank then';
COMMENT ON COLUMN rank_history.total_return_pct IS 'Return of the timeframe, in percent';
COMMENT ON COLUMN rank_history.previous_rank IS 'Its rank in the snapshot before; NULL in its first';
COMMENT ON COLUMN rank_history.rank_change IS 'rank less previous_rank: negative is better';
COMMENT ON COLUMN rank_history.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN rank_history.date IS 'Session';

COMMENT ON COLUMN top_performers.model_id IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN top_performers.timeframe IS 'daily, weekly, monthly or all_time';
COMMENT ON COLUMN top_performers.rank IS '10 or better, in the newest snapshot';
COMMENT ON COLUMN top_performers.total_return_pct IS 'Return of the timeframe, in percent';
COMMENT ON COLUMN top_performers.sharpe_ratio IS 'Of its daily returns, annualised; NULL where undefined';
COMMENT ON COLUMN top_performers.max_drawdown_pct IS 'Largest fall from a peak within it';
COMMENT ON COLUMN top_performers.snapshot_time IS 'Close of the newest session';
COMMENT ON COLUMN top_performers.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN top_performers.date IS 'The newest session';
