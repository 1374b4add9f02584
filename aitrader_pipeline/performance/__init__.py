"""What the sessions are worth: positions, daily profit and loss, series, metrics."""
