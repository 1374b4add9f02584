DELETE FROM daily_pnl USING sessions AS s WHERE daily_pnl.date = s.date AND daily_pnl.model = s.model
