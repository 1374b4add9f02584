"""What the arena costs: each program prints a table, `python -m benchmarks.NAME` in the project's folder."""
