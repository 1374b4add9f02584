SELECT
    count(*) FILTER (role = 'assistant') AS total_steps,
    coalesce(bool_or(role = 'assistant' AND content LIKE '%' || $finish_signal || '%'), false) AS stop_signal_received,
    left(
        coalesce(
            max_by(content, step_number) FILTER (role = 'assistant' AND content LIKE '%' || $finish_signal || '%'),
            max_by(content, step_number) FILTER (role = 'assistant' AND content <> '')
        ),
        500
    ) AS reasoning_summary
FROM reasoning_logs
WHERE date = $date AND model = $model
