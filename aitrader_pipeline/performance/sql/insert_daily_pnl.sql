INSERT INTO daily_pnl BY NAME SELECT * FROM scored_sessions
