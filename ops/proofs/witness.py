"""A witness: it remembers the last checkpoint of each log that it saw, and signs the next only where that begins with it.

So a log that shows different histories to different people needs a witness for each; whoever demands a certain witness's signature
sees the history that everybody else who demands it sees. What is signed is C2SP's cosignature, and the rules are those of C2SP's
tlog-witness (https://c2sp.org/tlog-witness), files in place of HTTP.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from bus.errors import ConfigurationError, SanctuaryError
from bus.merkle import ProofWrong, verify_consistency
from ops.proofs.checkpoint import SignedCheckpoint, cosign, parse_checkpoint
from ops.proofs.claims import Keys, believe
from ops.proofs.files import write_whole
from ops.proofs.notes import MAX_BYTES, Kind, NoteWrong, PublicKey, SigningKey, parse_signing_key
from ops.proofs.proof_files import GrowthProof, verify_growth


class HistoryForked(SanctuaryError):
    """The log signed something that does not go with what it signed before."""


class Unproved(SanctuaryError):
    """What a checkpoint goes back to is not shown: the message says which proof is needed."""


def judge_next(seen: SignedCheckpoint | None, given: SignedCheckpoint | GrowthProof, keys: Keys) -> SignedCheckpoint:
    """Return the checkpoint to cosign; `seen` is the last one of this log that was cosigned, None: there is none. Pure.

    Raises:
        NoteWrong: it is not signed by the log.
        ProofWrong: the proof shows nothing.
        Unproved: it is not shown to follow on what was seen.
        HistoryForked: it contradicts what was seen.
    """
    new = _believed(given, keys)
    if seen is None:
        if isinstance(given, GrowthProof):
            verify_growth(given, keys)
        return new
    before, after = seen.checkpoint, new.checkpoint
    old = (
        believe("the proof's `old`", given.old.encode("utf-8", "replace"), keys).checkpoint
        if isinstance(given, GrowthProof)
        else after
    )
    if any(each.size == before.size and each.root != before.root for each in (old, after)):
        raise HistoryForked(
            f"the history of {before.origin} was forked: it signed two trees of {before.size} entries, this one and the one that was "
            "witnessed. Nothing was signed"
        )
    if after.size < before.size:
        raise Unproved(
            f"{before.origin} was witnessed up to #{before.size}, and this checkpoint is of #{after.size} only: a newer one is needed. "
            "A log that has no newer one was rolled back"
        )
    if after.size == before.size:
        return new
    if not isinstance(given, GrowthProof) or old.size != before.size:
        raise Unproved(
            f"{before.origin} was witnessed up to #{before.size}: show that it grew from there, with the proof that "
            f"`sanctuary audit growth {before.size}` writes"
        )
    try:
        verify_consistency(before.size, after.size, given.path, before.root, after.root)
    except ProofWrong as error:
        raise HistoryForked(
            f"the history of {before.origin} does not go on from what was witnessed: {error.message}. It was forked, or the proof is "
            "damaged; nothing was signed"
        ) from None
    return new


def _believed(given: SignedCheckpoint | GrowthProof, keys: Keys) -> SignedCheckpoint:
    text = given.new if isinstance(given, GrowthProof) else str(given)
    return believe("what was given", text.encode("utf-8", "replace"), keys).signed


class Witness:
    """A witness's directory: its key, and the last checkpoint of each log."""

    def __init__(self, directory: Path, key: SigningKey) -> None:
        self._directory = directory
        self._key = key

    @property
    def public(self) -> PublicKey:
        """What its signatures verify with."""
        return self._key.public

    def last(self, origin: str) -> SignedCheckpoint | None:
        """Return the last checkpoint of a log that was cosigned here, None: there is none.

        Raises:
            ConfigurationError: the file is damaged.
        """
        path = self._path(origin)
        try:
            return parse_checkpoint(path.read_bytes())
        except FileNotFoundError:
            return None
        except NoteWrong as error:
            raise ConfigurationError(f"what this witness remembers is damaged: {path}: {error.message}") from None

    def sign(self, given: SignedCheckpoint | GrowthProof, keys: Keys, at_s: int) -> SignedCheckpoint:
        """Return the checkpoint cosigned at `at_s`, seconds since 1970, once it is remembered; raises as `judge_next`."""
        origin = _believed(given, keys).checkpoint.origin
        with _locked(self._directory):
            signed = cosign(judge_next(self.last(origin), given, keys), self._key, at_s)
            write_whole(self._path(origin), str(signed).encode(), mode=0o644)
        return signed

    def _path(self, origin: str) -> Path:
        return self._directory / f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.checkpoint"


def open_witness(directory: Path, name: str | None) -> Witness:
    """Return the witness of a directory; with `name` it is made where it is not there yet.

    Raises:
        ConfigurationError: there is none and no name is given, or one of another name, or its key is damaged.
        OSError: the directory cannot be used.
    """
    path = directory / "key"
    if not path.exists():
        if name is None:
            raise ConfigurationError(
                f"there is no witness in {directory}: name it to make one, --name witness.example.org, with a name that is yours alone"
            )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(directory):
            if not path.exists():
                key = SigningKey.new(name, Kind.COSIGNATURE)
                write_whole(directory / "key.pub", f"{key.public}\n".encode(), mode=0o644)
                write_whole(path, f"{key.text}\n".encode(), mode=0o600)
    try:
        key = parse_signing_key(path.read_bytes()[:MAX_BYTES].decode())
    except (UnicodeDecodeError, NoteWrong) as error:
        raise ConfigurationError(f"the witness's key {path} cannot be used: {error}") from None
    if key.public.kind is not Kind.COSIGNATURE:
        raise ConfigurationError(f"{path} is a log's key, not a witness's")
    if name not in (None, key.public.name):
        raise ConfigurationError(f"the witness in {directory} is named {key.public.name}, not {name}")
    return Witness(directory, key)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the directory: of two runs at once the second sees what the first remembered."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
