-- SQLite. Every model call that was begun, whether or not its session came to an end.
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY,
    begun_at REAL NOT NULL,
    launch TEXT NOT NULL,
    model TEXT NOT NULL,
    date TEXT NOT NULL,
    session TEXT NOT NULL,
    step INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('open', 'answered', 'failed')),
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost_usd REAL,
    -- What counts towards budgets: the cost, and of what is not known the most that it can be.
    counted_usd REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_of_model_day ON calls (model, date, session, outcome, begun_at, counted_usd);
CREATE INDEX IF NOT EXISTS calls_of_launch ON calls (launch, outcome, begun_at, counted_usd);
