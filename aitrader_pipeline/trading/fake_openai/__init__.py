"""An OpenAI-compatible endpoint that plays by a script, for tests and for tries without a key."""
