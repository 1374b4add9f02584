CREATE TABLE jobs (
    job_id VARCHAR NOT NULL UNIQUE,
    config_path VARCHAR NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'partial', 'failed')),
    date_range VARCHAR NOT NULL,
    models VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    total_duration_seconds DOUBLE,
    error VARCHAR
);

CREATE TABLE job_details (
    job_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    model VARCHAR NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'skipped')),
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    duration_seconds DOUBLE,
    error VARCHAR,
    UNIQUE (job_id, date, model)
);

COMMENT ON COLUMN jobs.job_id IS 'The launch: a backfill, or a run with its retries';
COMMENT ON COLUMN jobs.config_path IS 'The config of the arena';
COMMENT ON COLUMN jobs.status IS 'completed: all; partial: some failed; failed: none completed';
COMMENT ON COLUMN jobs.date_range IS 'JSON list of the sessions';
COMMENT ON COLUMN jobs.models IS 'JSON list of the signatures';
COMMENT ON COLUMN jobs.created_at IS 'When it was launched';
COMMENT ON COLUMN jobs.started_at IS 'When its first run started';
COMMENT ON COLUMN jobs.completed_at IS 'When its last run ended; NULL while it is under way';
COMMENT ON COLUMN jobs.total_duration_seconds IS 'From its first start to its end';
COMMENT ON COLUMN jobs.error IS 'Why it failed';
COMMENT ON COLUMN job_details.job_id IS 'The launch';
COMMENT ON COLUMN job_details.date IS 'Session';
COMMENT ON COLUMN job_details.model IS 'Signature';
COMMENT ON COLUMN job_details.status IS 'skipped: finished before and left as it was';
COMMENT ON COLUMN job_details.started_at IS 'When the session started';
COMMENT ON COLUMN job_details.completed_at IS 'When the session finished';
COMMENT ON COLUMN job_details.duration_seconds IS 'Of the session';
COMMENT ON COLUMN job_details.error IS 'Why it failed, or was not run';
