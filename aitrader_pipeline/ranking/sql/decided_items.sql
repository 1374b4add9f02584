SELECT session, forward_return_1_pct, forward_return_5_pct, forward_return_20_pct FROM decided_items ORDER BY number
