"""Why a connection did not come about, in words: what, from which setting, what to do."""

import socket
import ssl

from nats import errors

from bus.errors import AuthorizationFailed, ConnectionFailed
from bus.settings import IN_PROGRAM, ConnectionSettings


def is_fatal(error: Exception) -> bool:
    """Tell whether waiting for the server cannot help: credentials refused, or no TLS that both sides accept."""
    return _is_authorization(error) or isinstance(error, ssl.SSLError | errors.SecureConnWantedError)


def more_telling(before: Exception | None, now: Exception) -> Exception:
    """Return which of two errors says more of why there is no connection.

    What a server said goes before what became of the socket: one that hangs up on us resets connections too.
    """
    return now if before is None or _weight(now) >= _weight(before) else before


def reason(error: Exception | None) -> str:
    """Return what went wrong with one attempt."""
    match error:
        case None | TimeoutError():
            text = "no answer in time"
        case ConnectionRefusedError():
            text = "nobody listens there"
        case socket.gaierror():
            text = "the host name is not known"
        case ssl.SSLCertVerificationError():
            text = f"its certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            text = f"TLS failed ({error.reason or error})"
        case errors.SecureConnWantedError():
            text = "it offers no TLS, which the settings ask for"
        case errors.Error() if "INFO" in str(error):
            text = "what answers there is no NATS server"
        case OSError():
            # asyncio joins the failures of a name's addresses into one error without a number.
            text = error.strerror or ("nobody listens there" if "Connect call failed" in str(error) else str(error))
        case _:
            text = str(error).removeprefix("nats: ")
    return text


def start_error(settings: ConnectionSettings, error: Exception | None) -> ConnectionFailed:
    """Return the error for a first connection that failed, `error` being what was last reported."""
    if _is_authorization(error):
        return AuthorizationFailed(
            f"{settings.where} refused us {settings.identity}. Name credentials that this server knows: "
            "a context, NATS_CREDS, NATS_NKEY, or NATS_USER and NATS_PASSWORD."
        )
    by = "" if settings.source == IN_PROGRAM else " with NATS_URL, --server or a context"
    advice = f"Start it, or name another one{by}."
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = "Name the authority that signed it with NATS_CA."
    return ConnectionFailed(f"cannot connect to {settings.where}: {reason(error)}. {advice}")


def _weight(error: Exception) -> int:
    return (
        2
        if is_fatal(error)
        else 1
        if isinstance(error, errors.Error) and not isinstance(error, OSError | TimeoutError)
        else 0
    )


def _is_authorization(error: Exception | None) -> bool:
    text = str(error).lower()
    return isinstance(error, errors.Error) and ("authorization" in text or "authentication" in text)
