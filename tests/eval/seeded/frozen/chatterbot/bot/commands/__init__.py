"""The commands register themselves when they are imported."""

from bot.commands import fun, ops, people, text

__all__ = ["fun", "ops", "people", "text"]
