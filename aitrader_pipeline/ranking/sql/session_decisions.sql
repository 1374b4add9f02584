-- What each model decided, by the position of the item and of the model: 1 buys, -1 sells.
SELECT item.number AS item, contestant.number AS model, CASE decision WHEN 'buy' THEN 1.0 ELSE -1.0 END AS choice
FROM decision_outcomes AS decided
JOIN decided_items AS item ON item.date = decided.date AND item.symbol = decided.symbol
JOIN contestants AS contestant ON contestant.model = decided.model
