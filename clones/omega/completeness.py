"""Omega checks that the ledger is whole, all the time: what has settled is taken into books, and what does not fit is escalated.

One Omega at a time does it. It stores how far it has come, by compare-and-set, as the numbers of the entries that are open there;
another one goes on from them when nothing was stored for a while although there is something to check. So a restart reads again
what is open, not the ledger. The check takes a small share of Omega's time: while much is done it falls behind, and catches up.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bus import buckets
from bus.escalations import escalate
from bus.identity import OMEGA, Identity
from bus.ledger import entries, entry, last_sequence
from bus.network import Network
from bus.routes import in_force
from clones.completeness.books import Books
from clones.completeness.findings import Finding
from clones.completeness.looking import AT_ONCE, Looking
from clones.completeness.reading import Present, lost, routes_unknown
from clones.omega.repeating import repeat
from schemas import ErrorCode, ErrorEscalation, SchemaError, decode, encode
from schemas.base import Told

LOOK_EVERY_S = 5.0
SETTLED_S = 60.0
"""So old an entry has what belongs to it in the ledger: results are copied there up to seconds later."""
SHARE = 0.1
"""Of Omega's time, what the check takes at most."""
SLICE = 128
"""Entries that are taken in before anything else has its turn."""
SAVE_EVERY_S = 10.0
LOST_EVERY_S = 60.0
"""How often it is looked whether what is open has left its queue."""
TAKE_OVER_S = 45.0
"""An Omega that has saved nothing for this long, although it could, does not check any more."""
MOST_KEPT = 50_000
"""So many open entries are stored; with more, a restart begins where there were fewer."""
MOST_TOLD = 20
"""So many findings of one look are escalated one by one."""
KEY = "checked"

log = logging.getLogger(__name__)


class Checked(Told, frozen=True, kw_only=True):
    """How far the check has come: the value under `checked` in the bucket `<realm>_completeness`."""

    last: int
    """The last entry that was checked."""
    kept: tuple[int, ...] = ()
    """The entries that are open there, in order."""
    unsure_until: datetime | None = None
    """As of `clones.completeness.looking.Looking`."""
    instance: str
    """The Omega that checked."""


class CheckCounts(NamedTuple):
    """What an Omega knows of its check, for metrics."""

    last: int
    """The last entry that was checked."""
    left: int
    """How many entries have been stored since."""
    findings: dict[str, int]
    """How often each rule was broken, since this Omega started."""


class Completeness:
    """The check of one Omega."""

    def __init__(
        self, network: Network, identity: Identity, *, settled_s: float = SETTLED_S, lost_every_s: float = LOST_EVERY_S
    ) -> None:
        self._network = network
        self._identity = identity
        self._settled = timedelta(seconds=settled_s)
        self._lost_every_s = lost_every_s
        self._looked_for_lost_at = time.monotonic()
        self._present = Present(network)
        self._looking = Looking(network.subjects, self._present)
        self._books: Books | None = None
        """None: another Omega checks, or none has begun."""
        self._revision = 0
        self._seen_at = time.monotonic()
        """When `_revision` was seen first."""
        self._saved_at = 0.0
        self._told: set[tuple[str, int]] = set()
        """What was told of what is still open, so that it is told once."""
        self._counts: dict[str, int] = {}
        self._last = self._end = 0

    def counts(self) -> CheckCounts:
        """Return how far this Omega's check, or the one that it knows of, has come."""
        return CheckCounts(self._last, max(0, self._end - self._last), dict(self._counts))

    async def run(self) -> None:
        """Check until cancelled."""
        await repeat(self.look, LOOK_EVERY_S, "check that the ledger is whole")

    async def look(self) -> None:
        """Check what has settled since the last time, if it is this Omega that checks.

        Raises:
            SanctuaryError: the network did not answer; the next look goes on from there.
        """
        self._end = await last_sequence(self._network)
        if self._books is None and not await self._takes_over():
            return
        books = self._books
        if books is None:
            return
        try:
            is_all = await self._read(books)
            findings = await self._looking.clear(books)
            if is_all and time.monotonic() - self._looked_for_lost_at >= self._lost_every_s:
                findings += await self._lost(books)
            await self._tell(findings)
        except BaseException:
            # Half of it may be done: what was saved last is where it goes on.
            self._books, self._revision = None, 0
            raise
        self._last = books.last
        await self._save(books)

    # Who checks

    async def _takes_over(self) -> bool:
        """Take the check up where it was left, unless another Omega does it; tells whether this one does now."""
        bucket = self._network.subjects.completeness
        stored = await buckets.last_in(self._network.requester, bucket, KEY)
        checked = _checked(stored.data) if stored is not None else None
        revision = 0 if stored is None else stored.sequence
        if revision != self._revision:
            self._revision, self._seen_at = revision, time.monotonic()
        self._last = 0 if checked is None else checked.last
        is_own = checked is not None and checked.instance == self._identity.instance
        if checked is not None and not is_own and not await self._is_abandoned():
            return False
        table = await in_force(self._network)
        books = Books(self._network.subjects, None if table is None or checked is None else table.routes.table)
        self._looking.unsure_until = None if checked is None else checked.unsure_until
        if checked is not None:
            await self._resume(books, checked)
        return await self._put(books)

    async def _is_abandoned(self) -> bool:
        """Tell whether nothing was saved for a while although there is something to check."""
        following = await entry_after(self._network, self._last)
        if following is None or datetime.now(UTC) - following < self._settled:
            self._seen_at = time.monotonic()
        return time.monotonic() - self._seen_at > TAKE_OVER_S

    async def _resume(self, books: Books, checked: Checked) -> None:
        for start in range(0, len(checked.kept), AT_ONCE):
            numbers = checked.kept[start : start + AT_ONCE]
            for message in await asyncio.gather(*(entry(self._network, number) for number in numbers)):
                if message is not None:
                    books.take(message, again=True)
        books.resume(checked.last)

    async def _save(self, books: Books) -> None:
        if time.monotonic() - self._saved_at < SAVE_EVERY_S or not books.entries:
            return
        await self._put(books)

    async def _put(self, books: Books) -> bool:
        """Store how far the books have come, and go on with them; False where another Omega has stored that meanwhile."""
        kept = books.kept()
        self._saved_at = time.monotonic()
        if len(kept) > MOST_KEPT:
            log.warning(
                "%d entries are open, so a restart of the ledger's check will read from where there were fewer",
                len(kept),
            )
            return True
        subject = buckets.subject_of(self._network.subjects.completeness, KEY)
        checked = Checked(
            last=books.last,
            kept=tuple(kept),
            unsure_until=self._looking.unsure_until,
            instance=self._identity.instance,
        )
        revision = await buckets.put(self._network.requester, subject, encode(checked), self._revision)
        self._books = None if revision is None else books
        if revision is not None:
            self._revision, self._seen_at = revision, time.monotonic()
            books.entries = 0
        return revision is not None

    # What is checked

    async def _read(self, books: Books) -> bool:
        """Take in what has settled; tells whether that is all of it."""
        until = datetime.now(UTC) - self._settled
        begun, count = time.monotonic(), 0
        async for message in entries(self._network, ">", start=books.last + 1):
            if message.stored_at > until:
                break
            books.take(message)
            count += 1
            if count % SLICE == 0:
                await asyncio.sleep((time.monotonic() - begun) * (1 / SHARE - 1))
                begun = time.monotonic()
            if len(books.doubts) >= SLICE or time.monotonic() - self._saved_at > SAVE_EVERY_S:
                return False
        return True

    async def _lost(self, books: Books) -> list[Finding]:
        """Return what was lost, as far as it was not told."""
        self._looked_for_lost_at = time.monotonic()
        found = await lost(self._network, books, datetime.now(UTC))
        found += await routes_unknown(self._network, self._present)
        self._told &= {(finding.rule, finding.sequence) for finding in found}
        return [finding for finding in found if (finding.rule, finding.sequence) not in self._told]

    async def _tell(self, findings: list[Finding]) -> None:
        for finding in findings[:MOST_TOLD]:
            await self._escalate(finding, f"entry {finding.sequence}: {finding.message}: {finding.meaning}")
        if len(findings) > MOST_TOLD:
            more = len(findings) - MOST_TOLD
            await self._escalate(
                findings[MOST_TOLD], f"{more} more things like this were found: `sanctuary audit check` tells all"
            )
        for finding in findings:
            self._counts[finding.rule] = self._counts.get(finding.rule, 0) + 1
            self._told.add((finding.rule, finding.sequence))

    async def _escalate(self, finding: Finding, words: str) -> None:
        # Whichever Omega finds it says the same, so that it is stored once though that one dies at this moment.
        escalation = ErrorEscalation(
            severity="high",
            clone=OMEGA,
            instance=OMEGA,
            code=ErrorCode.LEDGER_INCOMPLETE,
            message=f"the ledger is not whole: {words}",
            at=finding.stored_at,
            task_id=finding.task_id,
            task_type=finding.task_type,
        )
        log.error("%s", escalation.message)
        await escalate(self._network, escalation, reply_to=None)


async def entry_after(network: Network, sequence: int) -> datetime | None:
    """Return when the ledger stored the first entry behind the one named, or None where there is none."""
    async for message in entries(network, ">", start=sequence + 1):
        return message.stored_at
    return None


def _checked(data: bytes) -> Checked | None:
    try:
        return decode(Checked, data)
    except SchemaError:
        log.warning("how far the ledger was checked cannot be read: it is checked from the beginning")
        return None
