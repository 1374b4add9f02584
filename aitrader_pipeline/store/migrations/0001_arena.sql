-- Money and prices are DECIMAL(18, 6) in the arena's currency, percentages are in percent, ratios are DOUBLE.
CREATE TABLE prices (
    symbol VARCHAR NOT NULL,
    date DATE NOT NULL,
    open DECIMAL(18, 6) NOT NULL CHECK (open > 0),
    high DECIMAL(18, 6),
    low DECIMAL(18, 6),
    close DECIMAL(18, 6) CHECK (close IS NULL OR close > 0),
    volume BIGINT CHECK (volume IS NULL OR volume >= 0),
    source VARCHAR NOT NULL,
    fetched_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (symbol, date)
);

CREATE TABLE positions (
    job_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    action_id INTEGER NOT NULL CHECK (action_id >= 0),
    action_type VARCHAR NOT NULL CHECK (action_type IN ('no_trade', 'buy', 'sell', 'split', 'dividend')),
    symbol VARCHAR,
    amount BIGINT,
    price DECIMAL(18, 6),
    costs DECIMAL(18, 6) NOT NULL CHECK (costs >= 0),
    cash DECIMAL(18, 6) NOT NULL CHECK (cash >= 0),
    portfolio_value DECIMAL(18, 6) NOT NULL,
    daily_profit DECIMAL(18, 6),
    daily_return_pct DOUBLE,
    cumulative_profit DECIMAL(18, 6),
    cumulative_return_pct DOUBLE,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (date, model, action_id)
);

CREATE TABLE holdings (
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    action_id INTEGER NOT NULL,
    symbol VARCHAR NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    UNIQUE (date, model, action_id, symbol)
);

CREATE TABLE daily_pnl (
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline')),
    source VARCHAR NOT NULL CHECK (source IN ('session', 'import')),
    initial_cash DECIMAL(18, 6) NOT NULL,
    opening_equity DECIMAL(18, 6) NOT NULL,
    closing_equity DECIMAL(18, 6),
    daily_profit DECIMAL(18, 6),
    daily_return_pct DOUBLE,
    cumulative_profit DECIMAL(18, 6),
    cumulative_return_pct DOUBLE,
    cash DECIMAL(18, 6) NOT NULL,
    trades INTEGER NOT NULL,
    costs DECIMAL(18, 6) NOT NULL,
    days_since_last_session INTEGER NOT NULL,
    carried_symbols INTEGER NOT NULL,
    UNIQUE (date, model)
);

CREATE TABLE reasoning_logs (
    job_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    step_number INTEGER NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    role VARCHAR NOT NULL CHECK (role IN ('user', 'assistant', 'tool', 'system')),
    content VARCHAR NOT NULL,
    tool_name VARCHAR,
    tool_input VARCHAR,
    UNIQUE (date, model, step_number)
);

CREATE TABLE tool_usage (
    job_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    tool_name VARCHAR NOT NULL,
    call_count INTEGER NOT NULL,
    error_count INTEGER NOT NULL,
    total_duration_seconds DOUBLE NOT NULL,
    UNIQUE (date, model, tool_name)
);

CREATE TABLE llm_usage (
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    step_number INTEGER NOT NULL,
    input_tokens BIGINT,
    output_tokens BIGINT,
    cached_tokens BIGINT,
    reasoning_tokens BIGINT,
    cost_usd DOUBLE,
    latency_seconds DOUBLE NOT NULL,
    UNIQUE (date, model, step_number)
);

CREATE TABLE portfolio_timeseries (
    model VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('model', 'baseline', 'benchmark')),
    date DATE NOT NULL,
    base_equity DECIMAL(18, 6) NOT NULL,
    portfolio_value DECIMAL(18, 6) NOT NULL,
    daily_profit DECIMAL(18, 6) NOT NULL,
    daily_return_pct DOUBLE NOT NULL,
    cumulative_profit DECIMAL(18, 6) NOT NULL,
    cumulative_return_pct DOUBLE NOT NULL,
    peak_value DECIMAL(18, 6) NOT NULL,
    drawdown DECIMAL(18, 6) NOT NULL,
    drawdown_pct DOUBLE NOT NULL,
    cash DECIMAL(18, 6) NOT NULL,
    exposure_pct DOUBLE,
    trades INTEGER NOT NULL,
    costs DECIMAL(18, 6) NOT NULL,
    UNIQUE (model, date)
);

CREATE TABLE performance_metrics (
    model VARCHAR NOT NULL UNIQUE,
    kind VARCHAR NOT NULL,
    first_date DATE NOT NULL,
    last_date DATE NOT NULL,
    sessions INTEGER NOT NULL,
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
    costs DECIMAL(18, 6) NOT NULL
);

CREATE TABLE leaderboard (
    rank INTEGER NOT NULL,
    model VARCHAR NOT NULL UNIQUE,
    kind VARCHAR NOT NULL,
    date DATE NOT NULL,
    portfolio_value DECIMAL(18, 6) NOT NULL,
    cumulative_return_pct DOUBLE NOT NULL,
    annualised_return_pct DOUBLE,
    sharpe_ratio DOUBLE,
    max_drawdown_pct DOUBLE,
    volatility_pct DOUBLE,
    exposure_pct DOUBLE,
    trades INTEGER NOT NULL,
    sessions INTEGER NOT NULL
);

COMMENT ON COLUMN prices.symbol IS 'Ticker';
COMMENT ON COLUMN prices.date IS 'Session of the exchange';
COMMENT ON COLUMN prices.open IS 'Raw price at the open, as traded';
COMMENT ON COLUMN prices.high IS 'Raw high; NULL while only the open is known';
COMMENT ON COLUMN prices.low IS 'Raw low';
COMMENT ON COLUMN prices.close IS 'Raw price at the close';
COMMENT ON COLUMN prices.volume IS 'Shares traded';
COMMENT ON COLUMN prices.source IS 'Where the bar came from';
COMMENT ON COLUMN prices.fetched_at IS 'When it was read';

COMMENT ON COLUMN positions.job_id IS 'The launch that ran the session';
COMMENT ON COLUMN positions.date IS 'Session';
COMMENT ON COLUMN positions.model IS 'Signature';
COMMENT ON COLUMN positions.action_id IS '0 is the start of the day, then one per fill';
COMMENT ON COLUMN positions.action_type IS 'no_trade for the start, else what was done';
COMMENT ON COLUMN positions.symbol IS 'Ticker of the fill';
COMMENT ON COLUMN positions.amount IS 'Whole shares';
COMMENT ON COLUMN positions.price IS 'Fill price: today''s open';
COMMENT ON COLUMN positions.costs IS 'Costs of the fill';
COMMENT ON COLUMN positions.cash IS 'Cash after the action';
COMMENT ON COLUMN positions.portfolio_value IS 'Cash and shares at today''s opens right after the action';
COMMENT ON COLUMN positions.daily_profit IS 'The day''s profit, marked at the close; NULL until the close is known';
COMMENT ON COLUMN positions.daily_return_pct IS 'The day''s return in percent';
COMMENT ON COLUMN positions.cumulative_profit IS 'Closing equity less initial cash';
COMMENT ON COLUMN positions.cumulative_return_pct IS 'In percent of the initial cash';
COMMENT ON COLUMN positions.created_at IS 'When the session finished';

COMMENT ON COLUMN holdings.date IS 'Session';
COMMENT ON COLUMN holdings.model IS 'Signature';
COMMENT ON COLUMN holdings.action_id IS 'After this action';
COMMENT ON COLUMN holdings.symbol IS 'Ticker';
COMMENT ON COLUMN holdings.quantity IS 'Whole shares held; zero is not stored';

COMMENT ON COLUMN daily_pnl.date IS 'Session';
COMMENT ON COLUMN daily_pnl.model IS 'Signature';
COMMENT ON COLUMN daily_pnl.kind IS 'model or baseline';
COMMENT ON COLUMN daily_pnl.source IS 'session, or import for a recorded book';
COMMENT ON COLUMN daily_pnl.initial_cash IS 'Cash that the arena gave';
COMMENT ON COLUMN daily_pnl.opening_equity IS 'Start of the day at today''s opens, before trading';
COMMENT ON COLUMN daily_pnl.closing_equity IS 'End of the day at the closes; NULL until they are known';
COMMENT ON COLUMN daily_pnl.daily_profit IS 'closing_equity less the previous session’s';
COMMENT ON COLUMN daily_pnl.daily_return_pct IS 'In percent of the previous closing equity';
COMMENT ON COLUMN daily_pnl.cumulative_profit IS 'closing_equity less initial_cash';
COMMENT ON COLUMN daily_pnl.cumulative_return_pct IS 'In percent of initial_cash';
COMMENT ON COLUMN daily_pnl.cash IS 'Cash at the end of the day';
COMMENT ON COLUMN daily_pnl.trades IS 'Fills of the day';
COMMENT ON COLUMN daily_pnl.costs IS 'Costs of the day';
COMMENT ON COLUMN daily_pnl.days_since_last_session IS 'Calendar days since the model’s previous session; 0 on its first';
COMMENT ON COLUMN daily_pnl.carried_symbols IS 'Holdings without a bar today, valued at their last close';

COMMENT ON COLUMN reasoning_logs.job_id IS 'The launch that ran the session';
COMMENT ON COLUMN reasoning_logs.date IS 'Session';
COMMENT ON COLUMN reasoning_logs.model IS 'Signature';
COMMENT ON COLUMN reasoning_logs.step_number IS 'Order within the session, from 1';
COMMENT ON COLUMN reasoning_logs.timestamp IS 'When it was said';
COMMENT ON COLUMN reasoning_logs.role IS 'Who said it';
COMMENT ON COLUMN reasoning_logs.content IS 'Text';
COMMENT ON COLUMN reasoning_logs.tool_name IS 'The tool, on its answer';
COMMENT ON COLUMN reasoning_logs.tool_input IS 'JSON: what a tool was given, or the calls that an assistant made';

COMMENT ON COLUMN tool_usage.tool_name IS 'Tool';
COMMENT ON COLUMN tool_usage.call_count IS 'Calls';
COMMENT ON COLUMN tool_usage.error_count IS 'Calls answered with an error';
COMMENT ON COLUMN tool_usage.total_duration_seconds IS 'Seconds in the tool';

COMMENT ON COLUMN llm_usage.step_number IS 'Model call, from 1';
COMMENT ON COLUMN llm_usage.input_tokens IS 'As the provider reports them';
COMMENT ON COLUMN llm_usage.output_tokens IS 'As the provider reports them';
COMMENT ON COLUMN llm_usage.cached_tokens IS 'Input tokens read from a cache';
COMMENT ON COLUMN llm_usage.reasoning_tokens IS 'Output tokens spent on reasoning';
COMMENT ON COLUMN llm_usage.cost_usd IS 'Cost of the call in USD, where known';
COMMENT ON COLUMN llm_usage.latency_seconds IS 'Time of the call, retries included';

COMMENT ON COLUMN portfolio_timeseries.model IS 'Signature, or the benchmark’s symbol';
COMMENT ON COLUMN portfolio_timeseries.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN portfolio_timeseries.date IS 'Session';
COMMENT ON COLUMN portfolio_timeseries.base_equity IS 'Closing equity of the session before; the initial cash on the first';
COMMENT ON COLUMN portfolio_timeseries.portfolio_value IS 'Closing equity';
COMMENT ON COLUMN portfolio_timeseries.daily_profit IS 'portfolio_value less base_equity';
COMMENT ON COLUMN portfolio_timeseries.daily_return_pct IS 'In percent of base_equity';
COMMENT ON COLUMN portfolio_timeseries.cumulative_profit IS 'Less the initial cash';
COMMENT ON COLUMN portfolio_timeseries.cumulative_return_pct IS 'In percent of the initial cash';
COMMENT ON COLUMN portfolio_timeseries.peak_value IS 'Highest value so far, the initial cash included';
COMMENT ON COLUMN portfolio_timeseries.drawdown IS 'peak_value less portfolio_value';
COMMENT ON COLUMN portfolio_timeseries.drawdown_pct IS 'In percent of peak_value';
COMMENT ON COLUMN portfolio_timeseries.cash IS 'Cash at the close';
COMMENT ON COLUMN portfolio_timeseries.exposure_pct IS 'Holdings in percent of the portfolio';
COMMENT ON COLUMN portfolio_timeseries.trades IS 'Fills of the day';
COMMENT ON COLUMN portfolio_timeseries.costs IS 'Costs of the day';

COMMENT ON COLUMN performance_metrics.model IS 'Signature, or the benchmark’s symbol';
COMMENT ON COLUMN performance_metrics.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN performance_metrics.first_date IS 'First session counted';
COMMENT ON COLUMN performance_metrics.last_date IS 'Last session counted';
COMMENT ON COLUMN performance_metrics.sessions IS 'Scored sessions';
COMMENT ON COLUMN performance_metrics.starting_equity IS 'Equity before the first session';
COMMENT ON COLUMN performance_metrics.portfolio_value IS 'Closing equity of the last session';
COMMENT ON COLUMN performance_metrics.profit IS 'portfolio_value less starting_equity';
COMMENT ON COLUMN performance_metrics.return_pct IS 'In percent of starting_equity';
COMMENT ON COLUMN performance_metrics.annualised_return_pct IS 'Over calendar days; NULL under 63 sessions';
COMMENT ON COLUMN performance_metrics.volatility_pct IS 'Annualised standard deviation of daily returns';
COMMENT ON COLUMN performance_metrics.sharpe_ratio IS 'Annualised; NULL where undefined';
COMMENT ON COLUMN performance_metrics.sortino_ratio IS 'Annualised; NULL where undefined';
COMMENT ON COLUMN performance_metrics.max_drawdown_pct IS 'Largest fall from a peak, in percent of it';
COMMENT ON COLUMN performance_metrics.max_drawdown IS 'The same fall in money';
COMMENT ON COLUMN performance_metrics.cagr_pct IS 'Compound growth over 252 sessions a year';
COMMENT ON COLUMN performance_metrics.calmar_ratio IS 'CAGR over maximum drawdown';
COMMENT ON COLUMN performance_metrics.exposure_pct IS 'Mean of the daily exposure';
COMMENT ON COLUMN performance_metrics.trades IS 'Fills';
COMMENT ON COLUMN performance_metrics.costs IS 'Costs';

COMMENT ON COLUMN leaderboard.rank IS 'By return, then Sharpe, then drawdown; exact ties share a rank';
COMMENT ON COLUMN leaderboard.model IS 'Signature, or the benchmark’s symbol';
COMMENT ON COLUMN leaderboard.kind IS 'model, baseline or benchmark';
COMMENT ON COLUMN leaderboard.date IS 'Newest scored session';
COMMENT ON COLUMN leaderboard.portfolio_value IS 'Closing equity';
COMMENT ON COLUMN leaderboard.cumulative_return_pct IS 'Return in percent';
COMMENT ON COLUMN leaderboard.annualised_return_pct IS 'NULL under 63 sessions';
COMMENT ON COLUMN leaderboard.sharpe_ratio IS 'Annualised';
COMMENT ON COLUMN leaderboard.max_drawdown_pct IS 'In percent, positive';
COMMENT ON COLUMN leaderboard.volatility_pct IS 'Annualised, in percent';
COMMENT ON COLUMN leaderboard.exposure_pct IS 'Mean of the daily exposure';
COMMENT ON COLUMN leaderboard.trades IS 'Fills';
COMMENT ON COLUMN leaderboard.sessions IS 'Scored sessions';
COMMENT ON COLUMN tool_usage.job_id IS 'The launch that ran the session';
COMMENT ON COLUMN tool_usage.date IS 'Session';
COMMENT ON COLUMN tool_usage.model IS 'Signature';
COMMENT ON COLUMN llm_usage.date IS 'Session';
COMMENT ON COLUMN llm_usage.model IS 'Signature';
