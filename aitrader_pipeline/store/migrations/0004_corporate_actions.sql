CREATE TABLE corporate_actions (
    symbol VARCHAR NOT NULL,
    ex_date DATE NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('split', 'dividend', 'symbol_change', 'delisting')),
    value DECIMAL(28, 12) CHECK (value IS NULL OR value >= 0),
    new_symbol VARCHAR,
    source VARCHAR NOT NULL,
    fetched_at TIMESTAMPTZ NOT NULL,
    UNIQUE (symbol, ex_date, kind)
);

COMMENT ON COLUMN corporate_actions.symbol IS 'Ticker until then';
COMMENT ON COLUMN corporate_actions.ex_date IS 'First day whose prices know of it';
COMMENT ON COLUMN corporate_actions.kind IS 'What happens before that day''s open';
COMMENT ON COLUMN corporate_actions.value IS 'Shares after a split per share before; money per share of a dividend or a delisting';
COMMENT ON COLUMN corporate_actions.new_symbol IS 'Ticker after a symbol change';
COMMENT ON COLUMN corporate_actions.source IS 'Where it came from';
COMMENT ON COLUMN corporate_actions.fetched_at IS 'When it was read';

-- A check cannot be altered: the table is made anew around its rows.
ALTER TABLE positions RENAME TO positions_before;
CREATE TABLE positions (
    job_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    action_id INTEGER NOT NULL CHECK (action_id >= 0),
    action_type VARCHAR NOT NULL CHECK (
        action_type IN ('no_trade', 'buy', 'sell', 'split', 'dividend', 'symbol_change', 'delisting')
    ),
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
    ratio DECIMAL(28, 12) CHECK (ratio IS NULL OR ratio > 0),
    new_symbol VARCHAR,
    UNIQUE (date, model, action_id)
);
INSERT INTO positions BY NAME SELECT * FROM positions_before;
DROP TABLE positions_before;

COMMENT ON COLUMN positions.job_id IS 'The launch that ran the session';
COMMENT ON COLUMN positions.date IS 'Session';
COMMENT ON COLUMN positions.model IS 'Signature';
COMMENT ON COLUMN positions.action_id IS '0 is the start of the day, then corporate actions, then fills';
COMMENT ON COLUMN positions.action_type IS 'no_trade for the start, else what was done';
COMMENT ON COLUMN positions.symbol IS 'Ticker of the fill or of the corporate action';
COMMENT ON COLUMN positions.amount IS 'Whole shares: traded, paid a dividend on, left by a split, renamed, sold at a delisting';
COMMENT ON COLUMN positions.price IS 'Money per share: today''s open, a dividend, what a fraction or a delisted share is paid';
COMMENT ON COLUMN positions.costs IS 'Costs of the fill';
COMMENT ON COLUMN positions.cash IS 'Cash after the action';
COMMENT ON COLUMN positions.portfolio_value IS 'Cash and shares at today''s opens right after the action; until the last corporate action, after that';
COMMENT ON COLUMN positions.daily_profit IS 'The day''s profit, marked at the close; NULL until the close is known';
COMMENT ON COLUMN positions.daily_return_pct IS 'The day''s return in percent';
COMMENT ON COLUMN positions.cumulative_profit IS 'Closing equity less initial cash';
COMMENT ON COLUMN positions.cumulative_return_pct IS 'In percent of the initial cash';
COMMENT ON COLUMN positions.created_at IS 'When the session finished';
COMMENT ON COLUMN positions.ratio IS 'Shares after a split per share before';
COMMENT ON COLUMN positions.new_symbol IS 'Ticker after a symbol change';
COMMENT ON COLUMN daily_pnl.opening_equity IS 'Start of the day at today''s opens, after corporate actions and before trading';
COMMENT ON COLUMN daily_pnl.trades IS 'Fills of the day; corporate actions are none';
