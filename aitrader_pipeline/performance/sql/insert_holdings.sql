INSERT INTO holdings BY NAME SELECT date, model, action_id, symbol, quantity FROM valued_holdings
