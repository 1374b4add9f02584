ALTER TABLE leaderboard ADD COLUMN inference_cost_usd DOUBLE;
ALTER TABLE leaderboard ADD COLUMN cost_per_trade_usd DOUBLE;
ALTER TABLE leaderboard ADD COLUMN net_return_pct DOUBLE;

COMMENT ON COLUMN leaderboard.inference_cost_usd IS 'USD that the model calls of these sessions cost; NULL unless each is known';
COMMENT ON COLUMN leaderboard.cost_per_trade_usd IS 'inference_cost_usd per fill; NULL without one';
COMMENT ON COLUMN leaderboard.net_return_pct IS 'Return in percent after inference_cost_usd; does not change the rank';
