SELECT symbol, first_session, last_session, sessions, status
FROM coverage
WHERE status <> 'covered'
ORDER BY symbol, first_session;
