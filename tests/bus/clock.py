"""A clock that goes on when a test says so."""


class Clock:
    """Stands in for the module `time`; in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now
