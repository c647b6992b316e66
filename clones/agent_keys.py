"""The keys under which a clone is reached as an agent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """The task types that a clone's agents are for, which are their keys."""

    own: tuple[str, ...]
    """Those that it is there for first of all."""
    others: tuple[str, ...] = ()
    """Those that it does in another clone's place."""
