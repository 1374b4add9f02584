"""Daily bars: where they come from, the exchange's calendar, the prices table and the view that a session gets."""
