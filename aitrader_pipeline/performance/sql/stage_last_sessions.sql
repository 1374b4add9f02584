-- Each model's newest scored session and what it held after it, in the shape in which holdings are valued.
INSERT INTO sessions BY NAME
SELECT model, max(date) AS date FROM portfolio_timeseries WHERE kind <> 'benchmark' GROUP BY model
