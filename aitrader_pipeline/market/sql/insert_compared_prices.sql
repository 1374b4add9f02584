INSERT INTO compared_prices BY NAME
SELECT *, $source AS source, $fetched_at AS fetched_at
FROM staged_prices;
