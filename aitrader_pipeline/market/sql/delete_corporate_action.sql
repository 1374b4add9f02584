DELETE FROM corporate_actions WHERE symbol = ? AND ex_date = ? AND kind = ?;
