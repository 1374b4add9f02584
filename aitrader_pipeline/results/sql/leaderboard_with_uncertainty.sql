-- The standings of a relation named `board`, and how sure they are where that was inferred from the same sessions.
SELECT
    board.*,
    u.return_low_pct,
    u.return_high_pct,
    u.p_best,
    u.tie_group,
    u.probabilistic_sharpe,
    u.deflated_sharpe,
    u.reason AS note
FROM board
LEFT JOIN uncertainty AS u ON u.model = board.model AND u.sessions = board.sessions
ORDER BY board.rank, board.model
