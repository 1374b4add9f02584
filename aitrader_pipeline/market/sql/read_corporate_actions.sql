SELECT symbol, ex_date, kind, value, new_symbol
FROM corporate_actions
WHERE $through IS NULL OR ex_date <= CAST($through AS DATE)
ORDER BY symbol, ex_date, kind;
