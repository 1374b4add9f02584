"""Errors for people: each says what was wrong, where, and what would be right."""


class ArenaError(Exception):
    """Base of every error that a user can cause and mend; shown as its message alone, without a traceback."""


class ConfigError(ArenaError):
    """The configuration is wrong; the message names each wrong field and what would be right."""


class PriceError(ArenaError):
    """Prices are missing or unreadable; the message names the file, symbol or session."""


class SessionError(ArenaError):
    """A model-day could not be run; nothing of it was kept."""


class BudgetSpentError(SessionError):
    """A model call could pass a budget in USD, so it was not made; the message names the budget."""


class BookError(ArenaError):
    """A recorded book breaks the ledger's rules; the message lists each breach with its line."""


class StoreError(ArenaError):
    """A record or the mart could not be read or written."""


class NoDataError(ArenaError):
    """Nothing is stored for what was asked; the message says what there is."""


class CallError(ArenaError):
    """A command was called with something that does not exist or does not fit; says what would."""
