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
