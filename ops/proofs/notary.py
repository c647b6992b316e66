"""The notary: takes each entry of the ledger into a Merkle tree, and signs the tree every few seconds.

It never signs a fork. Before each checkpoint it reads the newest entry that was signed, and the newest that is about to be, once
more: a ledger that was rolled back, made anew or written over from some point on has others there. What was purged before it was
taken in is read from the archive, so that logs of one ledger agree whenever they began.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from bus.errors import JetStreamError, SanctuaryError
from bus.jetstream import STREAM_NOT_FOUND, api, last_of, once, publish
from bus.ledger import first_sequence
from bus.network import Network
from bus.record_reader import record
from bus.records import Record, encode_record, gap_leaf, leaf_hash
from ops.proofs.checkpoint import SignedCheckpoint, parse_checkpoint
from ops.proofs.notary_files import NotaryFiles
from ops.proofs.notes import NoteWrong
from ops.proofs.reading import CannotSign, source_from

LOOK_EVERY_S = 1.0
"""An entry is taken in once it was there this long at the last look: a server without fsync may lose the last 100 ms at a power cut."""
CANNOT_SIGN = 3
"""The exit status of a notary that can sign nothing more: starting it again is no use."""
_GAP_LEAVES = 8192

log = logging.getLogger(__name__)


class LedgerContradicts(CannotSign):
    """The ledger is not what was signed of it. The message says since when."""


class Progress(msgspec.Struct, frozen=True):
    """How far the notary is."""

    signed: int
    """Up to which entry the ledger is signed."""
    last: int
    """The newest entry that there was at the last look."""
    checkpoints: int
    """How many were signed by this process."""


class _State(msgspec.Struct, frozen=True):
    first_seq: int
    last_seq: int


class _Ledger(msgspec.Struct, frozen=True):
    created: str
    state: _State


class Notary:
    """One notary of one realm."""

    def __init__(self, network: Network, files: NotaryFiles, *, every_s: float, archive: Path | None = None) -> None:
        """Take the open directory, how often to sign where there is something new, in seconds, and where the ledger is archived."""
        self._network = network
        self._files = files
        self._every_s = every_s
        self._archive = archive
        self._subject = network.subjects.checkpoint(files.public.name)
        self._own = network.subjects.every("checkpoint").removesuffix(">")
        self._old = 0
        """The entries up to this one were there at the last look."""
        self._looked_at: tuple[int, str] | None = None
        """On which connection the last look was, by the number of reconnects, and when the stream was made that it saw."""
        self._has_news = False
        """Whether there is more to sign than checkpoints."""
        self._unpublished: SignedCheckpoint | None = None
        self._sign_at = 0.0
        self._resumed = False
        self._last = 0
        self._checkpoints = 0

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self._files.signed_size, self._last, self._checkpoints)

    async def run(self, stop: asyncio.Event) -> None:
        """Sign until `stop` is set, and once more then. What keeps it from the ledger for a while is in the log.

        Raises:
            LedgerContradicts: the ledger is not what was signed of it.
            CannotSign: what is to be signed was purged, and is not in the archive.
            OSError: the directory cannot be written to.
        """
        said = ""
        while not stop.is_set():
            try:
                await self.look()
                said = ""
            except CannotSign:
                raise
            except SanctuaryError as error:
                if error.message != said:
                    log.warning("the ledger cannot be signed just now: %s", error)
                said = error.message
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await stop.wait()
        if not said:
            await self.sign()

    async def look(self) -> None:
        """Take in what was there at the last look, and sign where it is time; raises as `run`, and SanctuaryError."""
        ledger = await self._ledger()
        if ledger is None:
            return
        if not self._resumed:
            await self._resume()
        looks_at = (self._network.reconnects, ledger.created)
        if looks_at != self._looked_at:
            # Another server or stream, or the same server started anew: what was there may be gone.
            self._old = 0
            await self._compare_newest()
            self._looked_at = looks_at
        last = ledger.state.last_seq
        await self._grow(min(self._old, last))
        self._old = self._last = last
        if asyncio.get_running_loop().time() >= self._sign_at:
            await self.sign()

    async def sign(self) -> None:
        """Sign what was taken in, where that is more than checkpoints, and store the checkpoint; raises as `look`."""
        files = self._files
        if self._has_news and files.tree.size > files.signed_size and await self._is_unchanged():
            self._unpublished = await asyncio.to_thread(files.sign)
            self._has_news = False
            self._checkpoints += 1
            self._sign_at = asyncio.get_running_loop().time() + self._every_s
        if self._unpublished is not None:
            await self._publish(self._unpublished)
            self._unpublished = None

    async def _ledger(self) -> _Ledger | None:
        """Return what there is of the ledger, None while there is none yet."""
        try:
            answer = await api(self._network.requester, f"STREAM.INFO.{self._network.subjects.ledger}")
        except JetStreamError as error:
            if error.err_code != STREAM_NOT_FOUND or self._files.signed_size:
                raise
            return None
        ledger = msgspec.convert(answer, _Ledger)
        if ledger.state.last_seq < self._files.signed_size:
            raise LedgerContradicts(
                f"the ledger {self._network.subjects.ledger} ends with entry #{ledger.state.last_seq}, and entries up to "
                f"#{self._files.signed_size} were signed: it was rolled back, or made anew. {_WHAT_TO_DO}"
            )
        return ledger

    async def _resume(self) -> None:
        """Compare the ledger with what was signed of it before, by this process or another."""
        files = self._files
        stored = await last_of(self._network.requester, self._network.subjects.ledger, self._subject)
        newest = _parsed(stored.data) if stored is not None else None
        if newest is not None and files.is_own(newest) and newest.checkpoint.size >= files.signed_size:
            # Where the directory is older than the ledger, what others were shown counts.
            if files.signed is not None and newest.checkpoint.size == files.signed_size:
                self._refuse_fork(files.signed, newest)
            files.signed = newest
        elif files.signed is not None and (stored is None or stored.data != str(files.signed).encode()):
            self._unpublished = files.signed
        if files.tree.size < files.signed_size:
            log.warning(
                "the leaves in %s do not reach what was signed, or are damaged: they are read from the ledger again",
                files.directory,
            )
        self._resumed = True

    def _refuse_fork(self, kept: SignedCheckpoint, stored: SignedCheckpoint) -> None:
        if kept.checkpoint != stored.checkpoint:
            raise LedgerContradicts(
                f"two trees of {kept.checkpoint.size} entries were signed with this key: one is in {self._files.directory}, the other in "
                f"the ledger, on {self._subject}. Two notaries used the key, on two ledgers. {_WHAT_TO_DO}"
            )

    async def _grow(self, end: int) -> None:
        """Take in the entries up to `end`; first, and compared, those that were signed already where the leaves do not reach as far."""
        signed = self._files.signed
        if signed is not None and self._files.tree.size < signed.checkpoint.size:
            start = self._files.tree.size + 1
            await self._take_in(signed.checkpoint.size)
            if self._files.tree.root() != signed.checkpoint.root:
                self._files.cut_back()
                raise await self._not_made_again(signed, start)
            self._files.adopt(signed)
            self._has_news = False
        await self._take_in(end)

    async def _not_made_again(self, signed: SignedCheckpoint, start: int) -> CannotSign:
        """Return why the tree that was signed could not be made again from the entries from `start` on."""
        name, size, first = self._network.subjects.ledger, signed.checkpoint.size, await first_sequence(self._network)
        if first > start:
            return CannotSign(
                f"the leaves in {self._files.directory} are damaged, or end before entry #{size}, up to which was signed; the ledger "
                f"{name} holds nothing before #{first}, and no archive was there from which to make them again. Nothing more is signed: "
                "name the archive (--archive), or put back a copy of the file `leaves`. `sanctuary audit verify --archive` says whether "
                "the entries are what was signed"
            )
        return LedgerContradicts(f"the ledger {name} up to entry #{size} is not what was signed of it. {_WHAT_TO_DO}")

    async def _take_in(self, end: int) -> None:
        files = self._files
        start = files.tree.size + 1
        if end < start:
            return
        first = await first_sequence(self._network)
        source = await source_from(start, first, self._network, self._archive, is_new=files.signed is None)
        async with aclosing(source.records(start, end)) as batches:
            async for batch in batches:
                await self._fill(batch[0].sequence)
                self._append(batch)
                await asyncio.sleep(0)  # an archive is read without waiting for anything
        await self._fill(end + 1)
        if await first_sequence(self._network) > max(start, first):
            files.cut_back()
            raise SanctuaryError("entries were purged while they were read; they are read again, from the archive")

    def _append(self, batch: Sequence[Record]) -> None:
        """Take in entries, the first of which is the next."""
        leaves: list[bytes] = []
        following = self._files.tree.size + 1
        for each in batch:
            if each.sequence != following:
                leaves += map(gap_leaf, range(following, each.sequence))
            leaves.append(leaf_hash(encode_record(each)))
            following = each.sequence + 1
        self._has_news = self._has_news or not all(each.subject.startswith(self._own) for each in batch)
        self._files.append(leaves)

    async def _fill(self, following: int) -> None:
        """Take in that the ledger does not hold the entries before this one."""
        while (start := self._files.tree.size + 1) < following:
            self._files.append([gap_leaf(each) for each in range(start, min(following, start + _GAP_LEAVES))])
            self._has_news = True
            await asyncio.sleep(0)

    async def _is_unchanged(self) -> bool:
        """Tell whether the tree may be signed; where entries that were not signed yet have changed, they are taken in anew."""
        files = self._files
        await self._compare_newest()
        if await self._holds(files.tree.size):
            return True
        log.warning("the ledger lost entries that were not signed yet, as at a power cut; it is read again from there")
        files.cut_back()
        self._old = 0
        return False

    async def _compare_newest(self) -> None:
        """Compare the newest entry that was signed, where the tree holds it."""
        size = self._files.signed_size
        if 0 < size <= self._files.tree.size and not await self._holds(size):
            raise LedgerContradicts(
                f"entry #{size} of the ledger {self._network.subjects.ledger} is not the one that was signed: the ledger was rolled "
                f"back and written on, made anew, or altered. {_WHAT_TO_DO}"
            )

    async def _holds(self, sequence: int) -> bool:
        """Tell whether the ledger's entry is the one in the tree, or was removed together with all before it."""
        leaf = self._files.leaf(sequence)
        found = await record(self._network, sequence)
        if found is not None:
            return leaf_hash(encode_record(found)) == leaf
        if leaf == gap_leaf(sequence):
            return True
        ledger = await self._ledger()
        return ledger is not None and sequence < ledger.state.first_seq

    async def _publish(self, signed: SignedCheckpoint) -> None:
        body = str(signed).encode()
        await publish(self._network.requester, self._subject, body, headers=once("checkpoint", body))


_WHAT_TO_DO = (
    "Nothing more is signed. `sanctuary audit verify` says what differs. If the ledger was restored from a backup or made anew on purpose, "
    "move the notary's directory and key away: a new log begins"
)


def _parsed(data: bytes) -> SignedCheckpoint | None:
    try:
        return parse_checkpoint(data)
    except NoteWrong:
        return None
