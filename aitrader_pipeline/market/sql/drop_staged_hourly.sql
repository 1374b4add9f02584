DROP TABLE staged_hourly;
