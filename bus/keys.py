"""Users' nkeys: Ed25519 seeds in files that only their owner can read, as the nats CLI's `--nkey` takes them.

Format: https://github.com/nats-io/nkeys. A server's configuration holds the public half only.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import nkeys

from bus.errors import ConfigurationError

_SEED_BYTES = 32
_USER_PREFIX = "SU"


def read_seed(path: Path, *, setting: str = "nkey") -> str:
    """Return the user seed in `path`; `setting` names what led there, for the message.

    Raises:
        ConfigurationError: no such file, not readable, or no user seed in it.
    """
    try:
        seed = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise ConfigurationError(
            f"{setting}: the nkey seed file {path} cannot be read: {reason}. Name a file that holds a user seed."
        ) from None
    public_key(seed, origin=f"{setting}: {path}")
    return seed


def public_key(seed: str, *, origin: str) -> str:
    """Return the public key, `U…`, of a user seed; `origin` names where it is from, for the message.

    Raises:
        ConfigurationError: `seed` is no user seed.
    """
    message = (
        f"{origin} holds no user seed (58 characters that begin with {_USER_PREFIX}). Name another file; "
        "one that lies in the store of a network can be deleted, it is made anew."
    )
    if not seed.startswith(_USER_PREFIX):
        raise ConfigurationError(message)
    try:
        pair = nkeys.from_seed(bytearray(seed.encode()))
        public: bytes = pair.public_key
        # nkeys does not look at the checksum: encoding the same 32 bytes again shows a damaged seed.
        canonical: bytes = nkeys.encode_seed(nkeys.decode_seed(bytearray(seed.encode()))[1], nkeys.PREFIX_BYTE_USER)
        pair.wipe()
    except (nkeys.NkeysError, ValueError):
        raise ConfigurationError(message) from None
    if canonical.decode() != seed:
        raise ConfigurationError(message)
    return public.decode()


def new_seed() -> str:
    """Return a fresh user seed."""
    seed: bytes = nkeys.encode_seed(os.urandom(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    return seed.decode()


def ensure_user(path: Path) -> str:
    """Return the public key of the seed in `path`, made now (mode 0600) where there is none.

    A crash leaves the whole file or none. Two callers at once are kept apart by the store's lock, not here.

    Raises:
        ConfigurationError: the file that is there holds no user seed.
        OSError: it cannot be written.
    """
    if not path.exists():
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(f"{new_seed()}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    return public_key(read_seed(path), origin=str(path))
