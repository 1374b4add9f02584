"""Two layers: the session records, which are the truth, and the mart, which can be rebuilt from them."""
