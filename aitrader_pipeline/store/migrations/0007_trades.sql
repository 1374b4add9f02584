CREATE TABLE trade_log (
    model_id VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    direction VARCHAR NOT NULL CHECK (direction IN ('long', 'short')),
    entry_price DECIMAL(18, 6) NOT NULL CHECK (entry_price >= 0),
    entry_time TIMESTAMPTZ NOT NULL,
    shares DOUBLE NOT NULL CHECK (shares > 0),
    exit_price DECIMAL(18, 6) NOT NULL CHECK (exit_price >= 0),
    exit_time TIMESTAMPTZ NOT NULL,
    exit_reason VARCHAR CHECK (
        exit_reason IS NULL OR exit_reason IN ('stop_loss', 'take_profit', 'manual', 'eod_close')
    ),
    realized_pnl DECIMAL(18, 6) NOT NULL,
    realized_pnl_pct DOUBLE NOT NULL,
    strategy VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    entry_date DATE NOT NULL,
    entry_action_id INTEGER NOT NULL,
    exit_date DATE NOT NULL,
    exit_action_id INTEGER NOT NULL,
    exit_action VARCHAR NOT NULL CHECK (exit_action IN ('sell', 'split', 'delisting')),
    CHECK (exit_time >= entry_time),
    CHECK ((exit_date, exit_action_id) > (entry_date, entry_action_id))
);

CREATE TABLE open_lots (
    model_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    symbol VARCHAR NOT NULL,
    shares DOUBLE NOT NULL CHECK (shares > 0),
    entry_price DECIMAL(18, 6) NOT NULL CHECK (entry_price >= 0),
    entry_time TIMESTAMPTZ NOT NULL,
    entry_value DECIMAL(18, 6) NOT NULL CHECK (entry_value >= 0),
    mark_price DECIMAL(18, 6) NOT NULL CHECK (mark_price >= 0),
    unrealized_pnl DECIMAL(18, 6) NOT NULL,
    entry_date DATE NOT NULL,
    entry_action_id INTEGER NOT NULL,
    CHECK (date >= entry_date)
);

CREATE TABLE hourly_snapshots (
    model_id VARCHAR NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    equity DECIMAL(18, 6) NOT NULL CHECK (equity > 0),
    cash DECIMAL(18, 6) NOT NULL CHECK (cash >= 0),
    positions_value DECIMAL(18, 6) NOT NULL CHECK (positions_value >= 0),
    positions_count INTEGER NOT NULL CHECK (positions_count >= 0),
    date DATE NOT NULL,
    mark VARCHAR NOT NULL CHECK (mark IN ('open', 'hour', 'close')),
    CHECK (equity = cash + positions_value),
    UNIQUE (model_id, timestamp)
);

CREATE TABLE daily_summaries (
    model_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    opening_equity DECIMAL(18, 6) NOT NULL CHECK (opening_equity >= 0),
    closing_equity DECIMAL(18, 6) NOT NULL CHECK (closing_equity >= 0),
    high_equity DECIMAL(18, 6) NOT NULL CHECK (high_equity >= opening_equity AND high_equity >= closing_equity),
    low_equity DECIMAL(18, 6) NOT NULL CHECK (low_equity <= opening_equity AND low_equity <= closing_equity),
    daily_pnl DECIMAL(18, 6) NOT NULL,
    daily_return_pct DOUBLE NOT NULL,
    trades_opened INTEGER NOT NULL CHECK (trades_opened >= 0),
    trades_closed INTEGER NOT NULL CHECK (trades_closed >= 0),
    max_drawdown_pct DOUBLE NOT NULL CHECK (max_drawdown_pct BETWEEN 0 AND 100),
    sharpe_ratio DOUBLE CHECK (sharpe_ratio IS NULL OR isfinite(sharpe_ratio)),
    UNIQUE (model_id, date)
);

CREATE TABLE weekly_summaries (
    model_id VARCHAR NOT NULL,
    period_start DATE NOT NULL CHECK (isodow(period_start) = 1),
    period_end DATE NOT NULL CHECK (period_end = period_start + 6),
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline', 'benchmark')),
    sessions INTEGER NOT NULL CHECK (sessions > 0),
    starting_equity DECIMAL(18, 6) NOT NULL CHECK (starting_equity >= 0),
    ending_equity DECIMAL(18, 6) NOT NULL CHECK (ending_equity >= 0),
    total_return_pct DOUBLE,
    total_trades INTEGER NOT NULL CHECK (total_trades >= winning_trades + losing_trades),
    winning_trades INTEGER NOT NULL CHECK (winning_trades >= 0),
    losing_trades INTEGER NOT NULL CHECK (losing_trades >= 0),
    win_rate DOUBLE CHECK (win_rate IS NULL OR win_rate BETWEEN 0 AND 100),
    profit_factor DOUBLE CHECK (profit_factor IS NULL OR profit_factor >= 0),
    no_losses BOOLEAN NOT NULL CHECK (NOT no_losses OR profit_factor IS NULL),
    best_trade DECIMAL(18, 6),
    worst_trade DECIMAL(18, 6),
    average_holding_days DOUBLE CHECK (average_holding_days IS NULL OR average_holding_days >= 0),
    sharpe_ratio DOUBLE CHECK (sharpe_ratio IS NULL OR isfinite(sharpe_ratio)),
    max_drawdown_pct DOUBLE NOT NULL CHECK (max_drawdown_pct BETWEEN 0 AND 100),
    is_partial BOOLEAN NOT NULL,
    UNIQUE (model_id, period_start)
);

CREATE TABLE monthly_summaries (
    model_id VARCHAR NOT NULL,
    period_start DATE NOT NULL CHECK (day(period_start) = 1),
    period_end DATE NOT NULL CHECK (period_end = last_day(period_start)),
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline', 'benchmark')),
    sessions INTEGER NOT NULL CHECK (sessions > 0),
    starting_equity DECIMAL(18, 6) NOT NULL CHECK (starting_equity >= 0),
    ending_equity DECIMAL(18, 6) NOT NULL CHECK (ending_equity >= 0),
    total_return_pct DOUBLE,
    total_trades INTEGER NOT NULL CHECK (total_trades >= winning_trades + losing_trades),
    winning_trades INTEGER NOT NULL CHECK (winning_trades >= 0),
    losing_trades INTEGER NOT NULL CHECK (losing_trades >= 0),
    win_rate DOUBLE CHECK (win_rate IS NULL OR win_rate BETWEEN 0 AND 100),
    profit_factor DOUBLE CHECK (profit_factor IS NULL OR profit_factor >= 0),
    no_losses BOOLEAN NOT NULL CHECK (NOT no_losses OR profit_factor IS NULL),
    best_trade DECIMAL(18, 6),
    worst_trade DECIMAL(18, 6),
    average_holding_days DOUBLE CHECK (average_holding_days IS NULL OR average_holding_days >= 0),
    sharpe_ratio DOUBLE CHECK (sharpe_ratio IS NULL OR isfinite(sharpe_ratio)),
    max_drawdown_pct DOUBLE NOT NULL CHECK (max_drawdown_pct BETWEEN 0 AND 100),
    is_partial BOOLEAN NOT NULL,
    UNIQUE (model_id, period_start)
);

COMMENT ON COLUMN trade_log.model_id IS 'Signature';
COMMENT ON COLUMN trade_log.symbol IS 'Ticker under which it was closed';
COMMENT ON COLUMN trade_log.direction IS 'long: nothing is sold short';
COMMENT ON COLUMN trade_log.entry_price IS 'What a share was bought for, per share as splits have made it';
COMMENT ON COLUMN trade_log.entry_time IS 'Open of the session that bought the lot';
COMMENT ON COLUMN trade_log.shares IS 'Shares closed; a fraction where a split has cut a lot';
COMMENT ON COLUMN trade_log.exit_price IS 'What a share was sold for';
COMMENT ON COLUMN trade_log.exit_time IS 'Open of the session that closed it';
COMMENT ON COLUMN trade_log.exit_reason IS 'manual: the model sold; NULL: a corporate action closed it';
COMMENT ON COLUMN trade_log.realized_pnl IS 'Exit value less entry value, without costs';
COMMENT ON COLUMN trade_log.realized_pnl_pct IS 'In percent of the entry value';
COMMENT ON COLUMN trade_log.strategy IS 'NULL: nothing states it';
COMMENT ON COLUMN trade_log.created_at IS 'When the session that closed it finished';
COMMENT ON COLUMN trade_log.entry_date IS 'Session that bought the lot';
COMMENT ON COLUMN trade_log.entry_action_id IS 'Its action in positions';
COMMENT ON COLUMN trade_log.exit_date IS 'Session that closed it';
COMMENT ON COLUMN trade_log.exit_action_id IS 'Its action in positions';
COMMENT ON COLUMN trade_log.exit_action IS 'sell; or split: a fraction was paid out; or delisting';

COMMENT ON COLUMN open_lots.model_id IS 'Signature';
COMMENT ON COLUMN open_lots.date IS 'The model''s newest scored session';
COMMENT ON COLUMN open_lots.symbol IS 'Ticker';
COMMENT ON COLUMN open_lots.shares IS 'Shares left of the lot; a fraction where a split has cut it';
COMMENT ON COLUMN open_lots.entry_price IS 'What a share was bought for, per share as splits have made it';
COMMENT ON COLUMN open_lots.entry_time IS 'Open of the session that bought it';
COMMENT ON COLUMN open_lots.entry_value IS 'What these shares were bought for';
COMMENT ON COLUMN open_lots.mark_price IS 'Close that marks them';
COMMENT ON COLUMN open_lots.unrealized_pnl IS 'Value at the close less entry value';
COMMENT ON COLUMN open_lots.entry_date IS 'Session that bought it';
COMMENT ON COLUMN open_lots.entry_action_id IS 'Its action in positions';

COMMENT ON COLUMN hourly_snapshots.model_id IS 'Signature';
COMMENT ON COLUMN hourly_snapshots.timestamp IS 'When it was worth that';
COMMENT ON COLUMN hourly_snapshots.equity IS 'Cash and positions; a portfolio that is worth nothing has no snapshot';
COMMENT ON COLUMN hourly_snapshots.cash IS 'Cash; at the open, before trading';
COMMENT ON COLUMN hourly_snapshots.positions_value IS 'Value of what is held';
COMMENT ON COLUMN hourly_snapshots.positions_count IS 'Symbols held';
COMMENT ON COLUMN hourly_snapshots.date IS 'Session';
COMMENT ON COLUMN hourly_snapshots.mark IS 'hour: the beginning of an hourly bar; open or close of a day without them';

COMMENT ON COLUMN daily_summaries.model_id IS 'Signature';
COMMENT ON COLUMN daily_summaries.date IS 'Scored session';
COMMENT ON COLUMN daily_summaries.opening_equity IS 'At the opens, after corporate actions and before trading';
COMMENT ON COLUMN daily_summaries.closing_equity IS 'At the closes';
COMMENT ON COLUMN daily_summaries.high_equity IS 'Highest mark of the day: open, close, hours where they are known';
COMMENT ON COLUMN daily_summaries.low_equity IS 'Lowest mark of the day';
COMMENT ON COLUMN daily_summaries.daily_pnl IS 'closing_equity less the previous session’s';
COMMENT ON COLUMN daily_summaries.daily_return_pct IS 'In percent of the previous closing equity';
COMMENT ON COLUMN daily_summaries.trades_opened IS 'Lots bought';
COMMENT ON COLUMN daily_summaries.trades_closed IS 'Rows of trade_log that were closed';
COMMENT ON COLUMN daily_summaries.max_drawdown_pct IS 'Largest fall from a peak to date, in percent of it';
COMMENT ON COLUMN daily_summaries.sharpe_ratio IS 'Annualised, to date; NULL where undefined';

COMMENT ON COLUMN weekly_summaries.model_id IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN weekly_summaries.period_start IS 'Monday';
COMMENT ON COLUMN weekly_summaries.period_end IS 'Sunday';
COMMENT ON COLUMN weekly_summaries.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN weekly_summaries.sessions IS 'Scored sessions in it';
COMMENT ON COLUMN weekly_summaries.starting_equity IS 'Closing equity before its first session';
COMMENT ON COLUMN weekly_summaries.ending_equity IS 'Closing equity of its last session';
COMMENT ON COLUMN weekly_summaries.total_return_pct IS 'In percent of starting_equity, not annualised';
COMMENT ON COLUMN weekly_summaries.total_trades IS 'Trades closed in it';
COMMENT ON COLUMN weekly_summaries.winning_trades IS 'With a profit';
COMMENT ON COLUMN weekly_summaries.losing_trades IS 'With a loss';
COMMENT ON COLUMN weekly_summaries.win_rate IS 'Winning trades in percent of all; NULL without trades';
COMMENT ON COLUMN weekly_summaries.profit_factor IS 'Gains over losses; NULL without losses';
COMMENT ON COLUMN weekly_summaries.no_losses IS 'Trades were closed, and none with a loss';
COMMENT ON COLUMN weekly_summaries.best_trade IS 'Largest realized P&L';
COMMENT ON COLUMN weekly_summaries.worst_trade IS 'Smallest realized P&L';
COMMENT ON COLUMN weekly_summaries.average_holding_days IS 'Calendar days from entry to exit';
COMMENT ON COLUMN weekly_summaries.sharpe_ratio IS 'Of its daily returns, annualised; NULL where undefined';
COMMENT ON COLUMN weekly_summaries.max_drawdown_pct IS 'Largest fall from a peak within it';
COMMENT ON COLUMN weekly_summaries.is_partial IS 'The exchange has sessions in it after the newest scored one';

COMMENT ON COLUMN monthly_summaries.model_id IS 'Signature, or the benchmark’s name';
COMMENT ON COLUMN monthly_summaries.period_start IS 'First of the month';
COMMENT ON COLUMN monthly_summaries.period_end IS 'Last of the month';
COMMENT ON COLUMN monthly_summaries.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN monthly_summaries.sessions IS 'Scored sessions in it';
COMMENT ON COLUMN monthly_summaries.starting_equity IS 'Closing equity before its first session';
COMMENT ON COLUMN monthly_summaries.ending_equity IS 'Closing equity of its last session';
COMMENT ON COLUMN monthly_summaries.total_return_pct IS 'In percent of starting_equity, not annualised';
COMMENT ON COLUMN monthly_summaries.total_trades IS 'Trades closed in it';
COMMENT ON COLUMN monthly_summaries.winning_trades IS 'With a profit';
COMMENT ON COLUMN monthly_summaries.losing_trades IS 'With a loss';
COMMENT ON COLUMN monthly_summaries.win_rate IS 'Winning trades in percent of all; NULL without trades';
COMMENT ON COLUMN monthly_summaries.profit_factor IS 'Gains over losses; NULL without losses';
COMMENT ON COLUMN monthly_summaries.no_losses IS 'Trades were closed, and none with a loss';
COMMENT ON COLUMN monthly_summaries.best_trade IS 'Largest realized P&L';
COMMENT ON COLUMN monthly_summaries.worst_trade IS 'Smallest realized P&L';
COMMENT ON COLUMN monthly_summaries.average_holding_days IS 'Calendar days from entry to exit';
COMMENT ON COLUMN monthly_summaries.sharpe_ratio IS 'Of its daily returns, annualised; NULL where undefined';
COMMENT ON COLUMN monthly_summaries.max_drawdown_pct IS 'Largest fall from a peak within it';
COMMENT ON COLUMN monthly_summaries.is_partial IS 'The exchange has sessions in it after the newest scored one';
