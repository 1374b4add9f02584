-- Every portfolio as it stood at the close of its newest scored session, over all of them.
SELECT * EXCLUDE (timeframe, rank, previous_rank)
FROM leaderboard_snapshots
WHERE timeframe = 'all_time'
QUALIFY date = max(date) OVER (PARTITION BY model_id)
ORDER BY model_id
