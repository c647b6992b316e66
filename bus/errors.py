"""What can go wrong on the bus. Each message says what, where, and what to do; none needs a traceback to be understood."""


class SanctuaryError(Exception):
    """The root of all errors that a caller of the bus can meet."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Disconnected(SanctuaryError):
    """There is no connection just now; nothing was sent."""


class RequestTimeout(SanctuaryError):
    """No answer in time: whether the request had an effect is unknown."""


class NoResponders(SanctuaryError):
    """Nobody listens on the subject: no stream, no service, or not for this user."""


class NotStored(SanctuaryError):
    """The message was answered by something that is no stream."""


class JetStreamError(SanctuaryError):
    """JetStream refused a request; `err_code` is the server's own."""

    def __init__(self, message: str, *, err_code: int) -> None:
        super().__init__(f"JetStream: {message} (error {err_code})")
        self.err_code = err_code


class SlotTaken(SanctuaryError):
    """The subject holds its one message already: somebody else's result came first."""


class StorageFull(SanctuaryError):
    """The stream, the account or the disk is full; nothing was stored. Make room, then send again."""


class TopologyMismatch(SanctuaryError):
    """A stream or consumer of the network's name exists with another configuration."""


class LeaseLost(SanctuaryError):
    """The task's lease could not be renewed in time: somebody else may hold it now, so nothing more may be done for it."""


class ConfigurationError(SanctuaryError):
    """A setting, or a file that a setting names, cannot be used; nothing was tried with it."""


class ConnectionFailed(SanctuaryError):
    """The first connection to a server did not come about."""


class AuthorizationFailed(ConnectionFailed):
    """The server refused who we say we are; trying again with the same credentials is no use."""


class ServerFailed(SanctuaryError):
    """The embedded server did not start, or not well enough to be used."""


class StoreInUse(ServerFailed):
    """Another server works on the store directory."""


class ArtifactMissing(SanctuaryError):
    """The object store has nothing of that name."""
