"""What users ask for: results, series and the leaderboard, the same for every way of asking."""
