SELECT action_id AS id, action_type AS action, symbol, amount, price, price * amount AS total, costs
FROM positions
WHERE date = $date AND model = $model AND action_type IN ('buy', 'sell')
ORDER BY action_id
