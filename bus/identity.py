"""Who writes: a clone's instance."""

import itertools
import secrets

OMEGA = "omega"
"""The clone that coordinates: its name on the bus, and its user at the server."""


class Identity:
    """One instance of one clone, for the life of its process."""

    def __init__(self, clone: str, instance: str | None = None) -> None:
        """Take the clone's name and the instance's, by default a fresh one of 32 random bits."""
        self.clone = clone
        self.instance = instance or f"{clone}-{secrets.token_hex(4)}"
        self._nonce = secrets.token_hex(8)
        self._serial = itertools.count(1)

    def writer(self) -> str:
        """Return a value that no other result has, by which its writer knows its own in the results stream."""
        return f"{self._nonce}-{next(self._serial)}"
