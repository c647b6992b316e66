"""The errors that no caller gets: those of handlers of events."""

from bus.agents import wire
from bus.agents.faults import from_fault
from bus.agents.idle import Idle


class Unhandled:
    """Keeps the first one for whoever stops the runtime, if that is wanted."""

    def __init__(self, idle: Idle, *, report: bool) -> None:
        self._idle = idle
        self.report = report
        """Whether they are kept, and asked for of others that handle what is published here."""
        self.first: BaseException | None = None

    def note(self, error: BaseException) -> None:
        """Take an error of a handler that ran here."""
        if self.report and self.first is None:
            self.first = error
            self._idle.wake()

    def note_fault(self, fault: wire.Fault | None) -> None:
        """Take the error, if there was one, of what was published here."""
        if fault is not None:
            self.note(from_fault(fault))

    def take(self) -> BaseException | None:
        """Return what is kept, and keep it no longer."""
        first, self.first = self.first, None
        return first
