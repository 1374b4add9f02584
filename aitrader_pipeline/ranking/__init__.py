"""Who is ahead: the leaderboard."""
