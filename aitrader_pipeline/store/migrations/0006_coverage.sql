CREATE TABLE price_fetches (
    source VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    first_session DATE NOT NULL,
    last_session DATE NOT NULL,
    fetched_at TIMESTAMPTZ NOT NULL,
    file VARCHAR,
    sha256 VARCHAR,
    error VARCHAR,
    bars INTEGER,
    bars_refused INTEGER,
    bars_read_at TIMESTAMPTZ,
    actions INTEGER,
    actions_refused INTEGER,
    actions_read_at TIMESTAMPTZ,
    UNIQUE (source, key, fetched_at),
    CHECK ((file IS NULL) = (error IS NOT NULL))
);

CREATE TABLE coverage (
    symbol VARCHAR NOT NULL,
    first_session DATE NOT NULL,
    last_session DATE NOT NULL,
    sessions INTEGER NOT NULL CHECK (sessions > 0),
    status VARCHAR NOT NULL CHECK (status IN ('covered', 'open_only', 'missing')),
    source VARCHAR,
    fetched_at TIMESTAMPTZ,
    UNIQUE (symbol, first_session)
);

COMMENT ON COLUMN price_fetches.source IS 'The vendor';
COMMENT ON COLUMN price_fetches.key IS 'What was asked for: a symbol, a session, or a symbol’s actions';
COMMENT ON COLUMN price_fetches.first_session IS 'First session that was wanted';
COMMENT ON COLUMN price_fetches.last_session IS 'Last session that was wanted';
COMMENT ON COLUMN price_fetches.fetched_at IS 'When the answer came, or the call failed';
COMMENT ON COLUMN price_fetches.file IS 'The raw answer below raw_prices; NULL where the call failed';
COMMENT ON COLUMN price_fetches.sha256 IS 'Of the answer as it came, without the key';
COMMENT ON COLUMN price_fetches.error IS 'Why the call failed';
COMMENT ON COLUMN price_fetches.bars IS 'Bars that were read from it';
COMMENT ON COLUMN price_fetches.bars_refused IS 'Bars of it that were refused';
COMMENT ON COLUMN price_fetches.bars_read_at IS 'When its bars were loaded';
COMMENT ON COLUMN price_fetches.actions IS 'Corporate actions that were read from it';
COMMENT ON COLUMN price_fetches.actions_refused IS 'Actions of it that were refused';
COMMENT ON COLUMN price_fetches.actions_read_at IS 'When its actions were loaded';
COMMENT ON COLUMN coverage.symbol IS 'Ticker';
COMMENT ON COLUMN coverage.first_session IS 'First session of a span of wanted sessions that are alike';
COMMENT ON COLUMN coverage.last_session IS 'Last session of the span';
COMMENT ON COLUMN coverage.sessions IS 'Sessions in the span';
COMMENT ON COLUMN coverage.status IS 'covered: whole bars; open_only: bars without a close; missing: no bars';
COMMENT ON COLUMN coverage.source IS 'Where its newest bar came from';
COMMENT ON COLUMN coverage.fetched_at IS 'When the newest of its bars was read';
