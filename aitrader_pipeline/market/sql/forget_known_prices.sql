-- A staged bar stays only where it says something new about its symbol and date: a value that differs, or
-- one that was not known. A bar that merely knows less (the open alone of a day that is already complete)
-- says nothing new.
DELETE FROM staged_prices AS staged
USING prices AS stored
WHERE staged.symbol = stored.symbol
    AND staged.date = stored.date
    AND staged.open = stored.open
    AND (staged.high IS NULL OR staged.high IS NOT DISTINCT FROM stored.high)
    AND (staged.low IS NULL OR staged.low IS NOT DISTINCT FROM stored.low)
    AND (staged.close IS NULL OR staged.close IS NOT DISTINCT FROM stored.close)
    AND (staged.volume IS NULL OR staged.volume IS NOT DISTINCT FROM stored.volume);
