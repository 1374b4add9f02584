DROP TABLE staged_prices;
