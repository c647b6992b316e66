"""A ledger against the checkpoints that were signed of it: entry by entry, in one pass, in bounded memory.

Pure, but for the notary's file of leaves where it is at hand.
"""

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from bus.merkle import Frontier
from bus.records import Record, encode_record, gap_leaf, leaf_hash
from ops.proofs.claims import Claim, Keys, OtherLog, believe
from ops.proofs.leaves import Leaves
from ops.proofs.notes import NoteWrong
from ops.proofs.problems import Problem
from ops.proofs.recent import RecentTrees
from ops.proofs.signed_leaves import SignedLeaves

KEPT_LEAVES = 1 << 20
"""How far behind the end of the tree a checkpoint in the ledger may lie: the notary writes each a moment after its tree."""
KEPT_PROBLEMS = 100
_GAP_LEAVES = 8192


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    entries: int
    """How many entries were read."""
    last: int
    """The highest number that the ledger has given; 0: none."""
    checkpoints: int
    """How many checkpoints hold; the copies of one, in files and in the ledger, count once."""
    named: int
    """Up to which number one holds that was named; 0: none does."""
    signed: int
    """Up to which number a checkpoint that holds reaches."""
    beyond: int
    """Up to which number was signed what was not read; 0: nothing."""
    witnessed: dict[str, int]
    """Up to which number one reaches that a witness cosigned, by the witness's name."""
    differing: int
    """How many entries are not those that were signed, as far as the notary's leaves say it."""
    passed_over: int
    """Checkpoints in the ledger whose tree lay too far behind to be compared; the later ones say all that they say."""
    others: int
    """Checkpoints of logs whose keys are not given: what an earlier notary signed, say."""
    problems: tuple[Problem, ...]

    @property
    def holds(self) -> bool:
        """Whether a checkpoint was there to compare with, and nothing is wrong."""
        return self.checkpoints > 0 and not self.problems


class Verifier:
    """Takes in the ledger's entries in order and tells where they differ from what was signed."""

    def __init__(
        self,
        realm: str,
        keys: Keys,
        claims: Iterable[Claim | Problem],
        leaves: Leaves | None,
        others: Collection[tuple[str, int]] = (),
    ) -> None:
        """Take the checkpoints that are known beforehand, of other logs by name and size; those in the ledger are found there.

        With the notary's leaves the first entry that differs is named, without them a range.
        """
        self._prefix = f"{realm}.checkpoint."
        self._keys = keys
        self._tree = Frontier()
        self._recent = RecentTrees(KEPT_LEAVES)
        self._signed = SignedLeaves(leaves) if leaves is not None else None
        self._entries = 0
        self._waiting: list[tuple[int, int, Claim]] = []
        """A heap of the checkpoints whose trees are larger than the one so far, each with a number that no other has."""
        self._taken = 0
        self._held = array("Q")
        """The sizes of the checkpoints that hold, in order, each once."""
        self._named = 0
        self._witnessed: dict[str, int] = {}
        self._failed: list[Claim] = []
        self._passed_over = 0
        self._known_others, self._others = frozenset(others), len(others)
        self._problems: list[Problem] = []
        for each in claims:
            self._take(each)

    def feed(self, records: Sequence[Record]) -> None:
        """Take in the entries that follow, in order; numbers that are left out are gaps."""
        for record in records:
            if record.subject.startswith(self._prefix):
                self._take_stored(record)
        for run in _runs(records):
            self._skip_to(run[0].sequence)
            self._grow([leaf_hash(encode_record(record)) for record in run], run)
        self._entries += len(records)

    @property
    def reached(self) -> int:
        """The number up to which the ledger was taken in."""
        return self._tree.size

    def pass_over(self, last: int) -> None:
        """Take the entries up to the number `last` for those that were signed: they are not at hand, and only their leaves count.

        Without the notary's leaves they are gaps.
        """
        while self._signed is not None and (
            leaves := self._signed.next(self._tree.size, min(last, self._tree.size + _GAP_LEAVES))
        ):
            self._grow(leaves, ())

    def finish(self, last: int, *, complete: bool = True) -> Report:
        """Return what came of it; `last` is the highest number that the ledger has given, whether or not it holds the entry.

        Not `complete`: the ledger goes on elsewhere, and what was signed beyond `last` is not missing.
        """
        self._skip_to(last + 1)
        beyond = [claim for _, _, claim in sorted(self._waiting)]
        problems = [*self._differences(beyond), *self._damages(), *self._unwitnessed()]
        if beyond and complete:
            problems.append(self._rolled_back(beyond[-1]))
        return Report(
            entries=self._entries,
            last=self._tree.size,
            checkpoints=len(self._held),
            named=self._named,
            signed=self._held[-1] if self._held else 0,
            beyond=beyond[-1].checkpoint.size if beyond else 0,
            witnessed=self._witnessed,
            differing=self._signed.differing if self._signed is not None else 0,
            passed_over=self._passed_over,
            others=self._others,
            problems=(*problems, *self._problems),
        )

    def _take_stored(self, record: Record) -> None:
        """Take in a checkpoint that the ledger holds."""
        try:
            self._take(believe(f"entry #{record.sequence}", record.data, self._keys))
        except OtherLog as error:
            # Of an earlier notary, say: its key is not what is verified with.
            self._others += (error.checkpoint.origin, error.checkpoint.size) not in self._known_others
        except NoteWrong as error:
            self._take(Problem(kind="checkpoint", message=error.message, sequence=record.sequence))

    def _take(self, found: Claim | Problem) -> None:
        """Take in a checkpoint: compare it now, or once the tree is as large."""
        if isinstance(found, Problem):
            if len(self._problems) < KEPT_PROBLEMS:
                self._problems.append(found)
        elif found.checkpoint.size > self._tree.size:
            self._taken += 1
            heapq.heappush(self._waiting, (found.checkpoint.size, self._taken, found))
        else:
            self._compare(found, self._recent.root(found.checkpoint.size))

    def _skip_to(self, following: int) -> None:
        """Grow the tree by the leaves of gaps, so that the entry of this number is the next."""
        while (start := self._tree.size + 1) < following:
            self._grow([gap_leaf(each) for each in range(start, min(following, start + _GAP_LEAVES))], ())

    def _grow(self, leaves: list[bytes], run: Sequence[Record]) -> None:
        """Add leaves, and compare the checkpoints whose sizes are reached; `run` are their entries, none for gaps."""
        start = self._tree.size
        self._recent.remember(self._tree, leaves)
        if self._signed is not None:
            self._signed.compare(start, leaves, run)
        done = 0
        while self._waiting and self._waiting[0][0] <= start + len(leaves):
            size, _, claim = heapq.heappop(self._waiting)
            self._tree.extend(leaves[done : size - start])
            done = size - start
            self._compare(claim, self._tree.root())
        self._tree.extend(leaves[done:])

    def _compare(self, claim: Claim, root: bytes | None) -> None:
        size = claim.checkpoint.size
        if root is None:
            self._passed_over += 1
        elif root == claim.checkpoint.root:
            self._hold(size)
            self._named = max(self._named, size if claim.is_named else 0)
            for name in claim.witnesses:
                self._witnessed[name] = max(size, self._witnessed.get(name, 0))
        else:
            self._failed.append(claim)
            self._failed.sort(key=lambda each: each.checkpoint.size)
            del self._failed[KEPT_PROBLEMS:]

    def _hold(self, size: int) -> None:
        place = bisect_left(self._held, size)
        if place == len(self._held) or self._held[place] != size:
            self._held.insert(place, size)

    def _differences(self, beyond: Sequence[Claim]) -> Iterator[Problem]:
        """Tell what the checkpoints say together; `beyond` are those of larger trees, by size."""
        forked = _fork(self._failed, beyond, self._held)
        if forked is not None:
            yield forked
        elif self._failed:
            yield self._first_difference(self._failed[0])
        elif beyond and self._signed is not None and self._signed.are_signed(beyond[-1]):
            # The leaves are those of a larger tree that was signed. So they speak for what is there of it.
            told = self._signed.explanation(beyond[-1])
            if told is not None:
                yield told
            else:
                self._hold(self._tree.size)

    def _damages(self) -> Iterator[Problem]:
        """Tell where the notary's leaves are at fault, and not the ledger."""
        if self._signed is None or not self._signed.found or self._failed:
            return
        damaged = self._signed.found[0].sequence
        if damaged <= max(self._held, default=0):
            yield Problem(
                kind="leaves",
                sequence=damaged,
                message=f"the notary's leaves {self._signed.path} are damaged: from #{damaged} on they differ from what was signed, and "
                "the ledger does not",
            )

    def _unwitnessed(self) -> Iterator[Problem]:
        """Tell which witnesses, whose keys are given, cosigned nothing that holds."""
        for key in self._keys.witnesses:
            if key.name not in self._witnessed:
                yield Problem(kind="checkpoint", message=f"no checkpoint that holds is cosigned by {key.name}")

    def _rolled_back(self, largest: Claim) -> Problem:
        last, size = self._tree.size, largest.checkpoint.size
        return Problem(
            kind="rolled_back",
            sequence=last + 1,
            last=size,
            message=f"the ledger was rolled back: it ends with #{last}, and #{last + 1} to #{size} were signed too ({largest.where})",
        )

    def _first_difference(self, failed: Claim) -> Problem:
        """Name what differs, between the last checkpoint that holds and the first that does not."""
        size = failed.checkpoint.size
        start = max((held for held in self._held if held < size), default=0) + 1
        if self._signed is not None and (told := self._signed.explanation(failed)) is not None:
            return told
        why = self._signed.silence(failed) if self._signed is not None else ""
        return Problem(
            kind="differs",
            sequence=start,
            last=size,
            message=f"among #{start} to #{size} the ledger is not what was signed ({failed.where}): an entry was altered, deleted, "
            f"inserted or moved{why}",
        )


def _fork(failed: Sequence[Claim], beyond: Sequence[Claim], held: Sequence[int]) -> Problem | None:
    """Return what shows that the log signed two histories, of which one does not begin with the other."""
    highest = max(held, default=0)
    for claim in failed:
        size = claim.checkpoint.size
        if size <= highest:
            return Problem(
                kind="forked",
                sequence=max((each for each in held if each < size), default=0) + 1,
                last=size,
                message=f"the history was forked: the tree of {size} entries in {claim.where} was signed, and is not the beginning of "
                f"the one of {highest}, which was signed too and is this ledger's",
            )
    known: dict[int, Claim] = {}
    for claim in (*failed, *beyond):
        checkpoint = claim.checkpoint
        other = known.setdefault(checkpoint.size, claim)
        if other.checkpoint.root != checkpoint.root:
            return Problem(
                kind="forked",
                sequence=max((each for each in held if each < checkpoint.size), default=0) + 1,
                last=checkpoint.size,
                message=f"the history was forked: {other.where} and {claim.where} hold two trees of {checkpoint.size} entries, both "
                "signed",
            )
    return None


def _runs(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Yield the stretches of records between which numbers are left out."""
    start = 0
    while start < len(records):
        first, end = records[start].sequence, len(records)
        if records[-1].sequence - first != end - 1 - start:
            end = start + 1
            while end < len(records) and records[end].sequence - first == end - start:
                end += 1
        yield records[start:end]
        start = end
