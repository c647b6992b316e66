"""What a notary keeps: its key, the leaves of its tree, and the last checkpoint that it signed.

    <store>/keys/notary.key      the signing key, for its owner's eyes only; made once, never replaced
    <directory>/key.pub          the verifier key, to be given to whoever verifies
    <directory>/leaves           the leaves, 32 bytes each (`ops.proofs.leaves`)
    <directory>/checkpoints      the newest checkpoints, each in a file that is named for its size; the ledger holds all
    <directory>/lock             held by the notary that works here

Leaves reach the disk before the checkpoint that signs them. So whatever a crash leaves behind, the leaves up to the checkpoint's
size are those that were signed; what stands behind them, whole or torn, is cut off and read from the ledger again.
"""

import fcntl
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from bus.errors import ConfigurationError
from bus.merkle import HASH_BYTES, Frontier
from ops.proofs.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint, sign, verify
from ops.proofs.files import write_whole
from ops.proofs.leaves import Leaves, split
from ops.proofs.notes import MAX_BYTES, Kind, NoteWrong, PublicKey, SigningKey, parse_signing_key

CHECKPOINTS = "checkpoints"
READ_LEAVES = 32_768
KEPT_CHECKPOINTS = 64
"""So many checkpoints are kept as files. The newest says all that the others say; they let a witness go on where it was."""


def key_path(store: Path) -> Path:
    """Return where the signing key of the notary on `store` lies."""
    return store / "keys" / "notary.key"


class NotaryFiles:
    """The directory of one notary, held by this process. Nothing here reads the ledger."""

    def __init__(self, directory: Path, store: Path, realm: str) -> None:
        """Take the directory, the store in whose `keys` the key lies, and for which realm it is made; call `open` first."""
        self.directory = directory
        self._store = store
        self._realm = realm
        self._key: SigningKey
        self._path = directory / "leaves"
        self._lock = -1
        self._file = -1
        self.tree = Frontier()
        """The tree over all leaves, signed or not."""
        self.signed: SignedCheckpoint | None = None
        """The last checkpoint; None: nothing was signed yet."""
        self._signed_tree = Frontier()

    @property
    def public(self) -> PublicKey:
        """What the checkpoints verify with; its name is the log's."""
        return self._key.public

    @property
    def signed_size(self) -> int:
        """Up to which entry the ledger is signed."""
        return 0 if self.signed is None else self.signed.checkpoint.size

    def open(self) -> None:
        """Take the directory, made where it is missing, and bring it to what was signed. Takes a second for a million leaves.

        Raises:
            ConfigurationError: another notary works there; the key is damaged, or gone while there is a checkpoint that was signed
                with it; or the checkpoint is damaged or not of this key.
            OSError: the directory or the key cannot be used.
        """
        (self.directory / CHECKPOINTS).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise ConfigurationError(f"another notary works in {self.directory}: one is enough") from None
        self._key = _ensure_key(self._store, self._realm, self.directory)
        self.signed = self._read_checkpoint()
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        self._take_up()

    def close(self) -> None:
        """Let go of the directory."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add leaves behind the last one; they are on the disk once they are signed."""
        _write_all(self._file, b"".join(leaves), self.tree.size * HASH_BYTES)
        self.tree.extend(leaves)

    def leaf(self, sequence: int) -> bytes:
        """Return the leaf of an entry that the tree holds."""
        return os.pread(self._file, HASH_BYTES, (sequence - 1) * HASH_BYTES)

    def cut_back(self) -> None:
        """Forget the leaves that are not signed."""
        self.tree = Frontier(self._signed_tree.size, self._signed_tree.nodes)
        os.ftruncate(self._file, self.tree.size * HASH_BYTES)

    def sign(self) -> SignedCheckpoint:
        """Sign the tree as it is, once all of it is on the disk, and keep the checkpoint."""
        os.fsync(self._file)
        signed = sign(Checkpoint(self.public.name, self.tree.size, self.tree.root()), self._key)
        path = self.directory / CHECKPOINTS / f"{signed.checkpoint.size:020d}"
        # Whoever reads the directory meets whole checkpoints only.
        write_whole(path, str(signed).encode(), mode=0o644, temporary=self.directory / ".checkpoint")
        self.adopt(signed)
        for old in _newest_first(self.directory)[KEPT_CHECKPOINTS:]:
            old.unlink(missing_ok=True)
        return signed

    def adopt(self, signed: SignedCheckpoint) -> None:
        """Take a checkpoint of this key, over the tree as it is, as the last that was signed."""
        self.signed = signed
        self._signed_tree = Frontier(self.tree.size, self.tree.nodes)

    def is_own(self, signed: SignedCheckpoint) -> bool:
        """Tell whether a checkpoint is of this log and signed with its key."""
        try:
            verify(signed, self._key.public)
        except NoteWrong:
            return False
        return signed.checkpoint.origin == self.public.name

    def _take_up(self) -> None:
        """Bring leaves and tree to what was signed. Leaves that were not signed are not there any more afterwards.

        Where those that were signed are damaged or cut short, the tree is empty: it grows from the ledger again.
        """
        os.ftruncate(self._file, min(os.fstat(self._file).st_size // HASH_BYTES, self.signed_size) * HASH_BYTES)
        tree = _tree_of(self._path)
        if self.signed is not None and (tree.size, tree.root()) != (self.signed_size, self.signed.checkpoint.root):
            os.ftruncate(self._file, 0)
            tree = Frontier()
        self.tree = tree
        self._signed_tree = Frontier(tree.size, tree.nodes)

    def _read_checkpoint(self) -> SignedCheckpoint | None:
        for path in _newest_first(self.directory)[:1]:
            try:
                signed = parse_checkpoint(path.read_bytes()[: MAX_BYTES + 1])
                verify(signed, self._key.public)
            except NoteWrong as error:
                raise ConfigurationError(
                    f"the notary's last checkpoint {path} cannot be believed: {error.message}. Put back the one that was there, or "
                    "its key"
                ) from None
            return signed
        return None


def _ensure_key(store: Path, realm: str, directory: Path) -> SigningKey:
    """Return the notary's key, made now where there is none; the log is named for the realm, and as no other is."""
    path, public_path = key_path(store), directory / "key.pub"
    if not path.exists():
        if _newest_first(directory):
            raise ConfigurationError(
                f"the notary's key {path} is gone, and {directory} holds what was signed with it: put the key back. To begin a new "
                "log with a new key, move that directory away; what was signed stays verifiable with the old verifier key"
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = SigningKey.new(f"sanctuary/{realm}/{secrets.token_hex(4)}")
        write_whole(path, f"{made.text}\n".encode(), mode=0o600)
    try:
        key = parse_signing_key(path.read_bytes()[:MAX_BYTES].decode())
    except (UnicodeDecodeError, NoteWrong) as error:
        raise ConfigurationError(f"the notary's key {path} cannot be used: {error}") from None
    if key.public.kind is not Kind.NOTE:
        raise ConfigurationError(f"{path} is a witness's key, not a log's")
    public = f"{key.public}\n".encode()
    if not public_path.exists() or public_path.read_bytes() != public:
        write_whole(public_path, public, mode=0o644)
    return key


def _newest_first(directory: Path) -> list[Path]:
    """Return the files of checkpoints."""
    try:
        return sorted((path for path in (directory / CHECKPOINTS).iterdir() if path.name.isdigit()), reverse=True)
    except FileNotFoundError:
        return []


def _tree_of(path: Path) -> Frontier:
    """Return the tree over the leaves in a file."""
    tree = Frontier()
    with Leaves(path) as leaves:
        for start in range(0, leaves.size, READ_LEAVES):
            tree.extend(split(leaves.read(start, start + READ_LEAVES)))
    return tree


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
