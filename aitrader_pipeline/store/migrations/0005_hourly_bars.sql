CREATE TABLE hourly_prices (
    symbol VARCHAR NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    open DECIMAL(18, 6) NOT NULL CHECK (open > 0),
    high DECIMAL(18, 6) NOT NULL,
    low DECIMAL(18, 6) NOT NULL,
    close DECIMAL(18, 6) NOT NULL CHECK (close > 0),
    volume BIGINT CHECK (volume IS NULL OR volume >= 0),
    source VARCHAR NOT NULL,
    fetched_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (symbol, timestamp)
);

CREATE TABLE compared_prices (
    symbol VARCHAR NOT NULL,
    date DATE NOT NULL,
    open DECIMAL(18, 6) NOT NULL,
    high DECIMAL(18, 6),
    low DECIMAL(18, 6),
    close DECIMAL(18, 6),
    volume BIGINT,
    source VARCHAR NOT NULL,
    fetched_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (symbol, date)
);

COMMENT ON COLUMN hourly_prices.symbol IS 'Ticker';
COMMENT ON COLUMN hourly_prices.timestamp IS 'When the bar begins';
COMMENT ON COLUMN hourly_prices.open IS 'Raw price at its beginning';
COMMENT ON COLUMN hourly_prices.high IS 'Raw high';
COMMENT ON COLUMN hourly_prices.low IS 'Raw low';
COMMENT ON COLUMN hourly_prices.close IS 'Raw price at its end';
COMMENT ON COLUMN hourly_prices.volume IS 'Shares traded';
COMMENT ON COLUMN hourly_prices.source IS 'Where the bar came from';
COMMENT ON COLUMN hourly_prices.fetched_at IS 'When it was read';
COMMENT ON COLUMN compared_prices.symbol IS 'Ticker';
COMMENT ON COLUMN compared_prices.date IS 'Session of the exchange';
COMMENT ON COLUMN compared_prices.open IS 'Raw price at the open, as the second source says';
COMMENT ON COLUMN compared_prices.high IS 'Raw high';
COMMENT ON COLUMN compared_prices.low IS 'Raw low';
COMMENT ON COLUMN compared_prices.close IS 'Raw price at the close';
COMMENT ON COLUMN compared_prices.volume IS 'Shares traded';
COMMENT ON COLUMN compared_prices.source IS 'The second source';
COMMENT ON COLUMN compared_prices.fetched_at IS 'When it was read';
