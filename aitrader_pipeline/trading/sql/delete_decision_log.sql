DELETE FROM decision_log USING decided_cells AS c WHERE decision_log.date = c.date AND decision_log.model_id = c.model
