"""What a caller of an agent can meet beside the agent's own errors."""

from autogen_core.exceptions import UndeliverableException

from bus.errors import SanctuaryError


class RecipientNotFound(UndeliverableException, LookupError):
    """No worker of the namespace takes agents of this type."""


class WorkerLost(UndeliverableException):
    """The worker that had the message is gone, or does not answer: whether the message was handled is unknown.

    Where state is kept, also: what the message did to it was not told to be saved, and the agent goes on from what was.
    """


class StateLost(WorkerLost):
    """The worker that had the message lives, and has let the agent go, as its state could not be kept."""


class NotPlaced(UndeliverableException):
    """No worker took the agent in time."""


class StateNotKept(SanctuaryError):
    """The state of an agent could not be kept in the network, or got from it; whoever sent the message gets WorkerLost."""


class TopicFull(UndeliverableException):
    """A durable topic holds as much as it may, and its subscribers made no room in time; nothing was published."""


class TopicUnreachable(UndeliverableException):
    """The server did not say in time that an event of a durable topic is stored; whether it is, is unknown."""


class CannotTravel(TypeError):
    """A message that no serializer can write."""


class CannotRead(ValueError):
    """A message that no serializer here can read; says which."""


class NoSuchSubscription(ValueError, LookupError):
    """There is no subscription of this id in this runtime."""


class RemoteError(Exception):
    """An exception of a class that is not loaded here, or that cannot be made anew; the message names it.

    Also the cause of each exception that came over the wire: its text is the traceback on the other side.
    """

    def __init__(self, message: str, *, ref: str = "") -> None:
        super().__init__(message)
        self.ref = ref
        """The class that was raised, `module:qualified.name`."""


class RuntimeFailed(SanctuaryError):
    """The runtime could not join its namespace."""
