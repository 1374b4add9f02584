SELECT tool_name, call_count FROM tool_usage WHERE date = $date AND model = $model ORDER BY tool_name
