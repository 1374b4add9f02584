-- Which sessions each model has, by the position of the session and of the model.
SELECT DISTINCT item.session, contestant.number AS model
FROM daily_pnl
JOIN contestants AS contestant USING (model)
JOIN decided_items AS item USING (date)
