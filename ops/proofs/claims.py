"""Checkpoints as evidence: who holds them, and whether they are to be believed. Pure, but for reading files."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from bus.errors import ConfigurationError
from ops.proofs.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint, verify
from ops.proofs.notes import MAX_BYTES, Kind, NoteWrong, PublicKey, parse_key
from ops.proofs.problems import Problem


class Claim(msgspec.Struct, frozen=True):
    """A checkpoint whose signatures are right."""

    where: str
    """Where it is from, in words: a file's path, `entry #17`."""
    signed: SignedCheckpoint
    witnesses: tuple[str, ...] = ()
    """Which of the known witnesses cosigned it."""
    is_named: bool = False
    """Whether somebody named it who verifies; otherwise it is from where the ledger is kept, too."""

    @property
    def checkpoint(self) -> Checkpoint:
        """What was signed."""
        return self.signed.checkpoint


class Keys(msgspec.Struct, frozen=True):
    """Whose signatures count: the log's own keys, of which it may have had several, and its witnesses'."""

    logs: tuple[PublicKey, ...]
    witnesses: tuple[PublicKey, ...] = ()


def make_keys(keys: Iterable[PublicKey]) -> Keys:
    """Return the keys by what they sign.

    Raises:
        ConfigurationError: there is no log's key among them.
    """
    given = tuple(keys)
    logs = tuple(key for key in given if key.kind is Kind.NOTE)
    if not logs:
        raise ConfigurationError("no key of the log is given, only of witnesses: name it too, with --key")
    return Keys(logs, tuple(key for key in given if key.kind is Kind.COSIGNATURE))


def read_key(text: str) -> PublicKey:
    """Return a verifier key: `text` itself, or the content of the file of that name.

    Raises:
        ConfigurationError: it is neither.
    """
    try:
        return parse_key(text)
    except NoteWrong:
        path = Path(text)
    try:
        return parse_key(path.read_bytes()[:MAX_BYTES].decode())
    except (OSError, UnicodeDecodeError, NoteWrong) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(
            f"the key {text} is neither a verifier key nor a file that holds one: {reason}"
        ) from None


class OtherLog(NoteWrong):
    """A checkpoint is of a log whose key is not given."""

    def __init__(self, message: str, checkpoint: Checkpoint) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint


def believe(where: str, data: bytes, keys: Keys, *, is_named: bool = False) -> Claim:
    """Return the checkpoint in `data` where the key of its log signed it, and no signature by a known key is wrong.

    Raises:
        OtherLog: it is of another log.
        NoteWrong: it is not to be believed. Both messages say where it is from, and why.
    """
    why = f"the checkpoint in {where} is not to be believed"
    try:
        signed = parse_checkpoint(data)
        note, origin = signed.note, signed.checkpoint.origin
        own = [key for key in keys.logs if key.name == origin]
        if not own:
            raise OtherLog(
                f"it is of the log {origin!r}, and the key is that of {keys.logs[0].name!r}", signed.checkpoint
            )
        # Of several keys of one log, those count that are said to have signed.
        for key in [key for key in own if note.by(key)] or own[:1]:
            verify(signed, key)
        witnesses = [key for key in keys.witnesses if note.by(key)]
        for key in witnesses:
            verify(signed, key)
    except OtherLog as error:
        raise OtherLog(f"{why}: {error.message}", error.checkpoint) from None
    except NoteWrong as error:
        raise NoteWrong(f"{why}: {error.message}") from None
    return Claim(where, signed, tuple(key.name for key in witnesses), is_named)


def judge(where: str, data: bytes, keys: Keys) -> Claim | Problem:
    """Return the checkpoint in `data`, or why it is not to be believed."""
    try:
        return believe(where, data, keys)
    except NoteWrong as error:
        return Problem(kind="checkpoint", message=error.message)


class FoundClaims(msgspec.Struct, frozen=True):
    """The checkpoints in a file, or in a directory."""

    claims: list[Claim | Problem]
    others: list[Checkpoint]
    """Those of logs whose keys are not given."""


def read_claims(path: Path, keys: Keys, *, is_named: bool = False) -> FoundClaims:
    """Return the checkpoint in a file; of a directory, those in all its files. Each is one file.

    Raises:
        OSError: a file cannot be read.
    """
    found = FoundClaims([], [])
    for file in _files(path) if path.is_dir() else [path]:
        try:
            found.claims.append(believe(str(file), _read(file), keys, is_named=is_named))
        except OtherLog as error:
            found.others.append(error.checkpoint)
        except NoteWrong as error:
            found.claims.append(Problem(kind="checkpoint", message=error.message))
        except FileNotFoundError:
            if file == path:
                raise
            # A notary at work takes the oldest away.
    return found


def _files(directory: Path) -> list[Path]:
    """Return the files in a directory, but for those that are being written."""
    return sorted(each for each in directory.iterdir() if each.is_file() and not each.name.startswith("."))


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
