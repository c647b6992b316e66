"""Waking runs of workflows that only wait: each Omega looks every second for those whose timer or first result is there.

A run is woken by storing its start anew under its id, once: who claims the record, by compare-and-set, stores it under the
record's own mark, and where whoever claimed it died first, another does so in its place. A wake-up that comes twice, or too
early, does no harm: the driver that it brings finds what the history says, and has the run sleep again.

However many are due at once, those go first that are due longest, and no more than drivers come for soon.
"""

import asyncio
import heapq
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from bus import buckets
from bus.histories import Histories
from bus.jetstream import last_of_each, publish
from bus.latest import BATCH
from bus.ledger import entries, last_sequence
from bus.network import Network
from bus.sleepers import Sleeper, Sleepers, Standing, standing_of
from bus.subjects import WORKFLOW_TYPE
from clones.omega.clock import Clock
from clones.omega.once import store_once
from clones.omega.repeating import repeat
from clones.omega.workflows.observer import WorkflowObserver
from clones.omega.workflows.wake_ups import is_former, mark_of, secret_of, wake_up
from clones.workflows.ids import new_proof
from schemas import SchemaError

LOOK_EVERY_S = 1.0
TIDY_EVERY_S = 30.0
"""How often it is looked for records of runs that have ended all the same: somebody has settled them by hand."""
TAKEN_OVER_AFTER_S = 5.0
"""A run that was to be woken so long ago, and whose driver has not come, is looked at again: whoever woke it may be dead."""
MISSING_AFTER_S = 60.0
"""A driver that has not come for so long keeps no other run from being woken."""
AT_ONCE = 128
MOST_COMING = 512
"""No more runs are woken than so many whose drivers have not come yet: whatever else is begun or woken waits behind them all."""

log = logging.getLogger(__name__)


class _Known(NamedTuple):
    sleeper: Sleeper
    standing: Standing
    since: float
    """When this was read, by the monotonic clock."""
    stands: bool = False
    """Whether its wake-up is seen to stand."""

    def is_late(self, now: float) -> bool:
        """Tell whether it was to be woken, and who was to wake it may be dead, as its driver has not come."""
        is_claimed = self.sleeper.woken_behind is not None
        return is_claimed and not self.stands and now - self.since > TAKEN_OVER_AFTER_S

    def is_coming(self, now: float) -> bool:
        """Tell whether its driver is to come soon."""
        return self.sleeper.woken_behind is not None and now - self.since <= MISSING_AFTER_S


class Waker:
    """Wakes runs for one Omega."""

    def __init__(
        self, network: Network, sleepers: Sleepers, clock: Clock, observer: WorkflowObserver | None = None
    ) -> None:
        self._observer = WorkflowObserver() if observer is None else observer
        self._network = network
        self._sleepers = sleepers
        self._clock = clock
        self._histories = Histories(network)
        self._known: dict[str, _Known] = {}
        self._revision = 0
        self._tidied_at = time.monotonic()

    async def run(self) -> None:
        """Look until cancelled."""
        forget = self._network.on_reconnect(self._begin_anew)
        try:
            await repeat(self.look, LOOK_EVERY_S, "wake workflows")
        finally:
            forget()

    async def look(self) -> None:
        """Wake those whose time has come.

        Raises:
            SanctuaryError: the network did not answer; who was not woken is woken the next time.
        """
        await self._follow()
        self._observer.sleeping(len(self._known))
        known, now, since = dict(self._known), self._clock.now(), time.monotonic()
        waiting = [each.sleeper for each in known.values() if each.sleeper.woken_behind is None]
        due = {
            sleeper.workflow_id: sleeper.until
            for sleeper in waiting
            if sleeper.until is not None and sleeper.until <= now
        }
        found = await self._with_results(sleeper for sleeper in waiting if sleeper.workflow_id not in due)
        due |= dict.fromkeys(found, now)
        late = {each for each in known if known[each].is_late(since)}
        to_tidy = late
        if since - self._tidied_at > TIDY_EVERY_S:
            self._tidied_at = since
            to_tidy = known.keys() - due.keys()
        ended = await self._tidy([known[each].sleeper for each in to_tidy])
        coming = sum(each.is_coming(since) for each in known.values())
        soonest = heapq.nsmallest(max(0, MOST_COMING - coming), due, key=lambda each: (due[each], each))
        await self._wake_all([known[each] for each in soonest])
        await self._replace_dead([known[each] for each in late - ended])

    async def wake(self, workflow_id: str) -> None:
        """Wake a run where it sleeps, now; raises as `look`.

        When this returns, a driver comes, or one is there, that reads the history later than this was called.
        """
        while True:
            standing = await self._sleepers.read(workflow_id)
            if standing.sleeper is None:
                return
            behind = await last_sequence(self._network)
            if await self._wake(standing.sleeper, standing, behind):
                return

    def _begin_anew(self) -> None:
        # What was told meanwhile was not heard, and that a record was taken away is forgotten after a while.
        self._revision = 0
        self._known.clear()

    async def _follow(self) -> None:
        bucket = self._network.subjects.sleepers
        async for message in buckets.changes(self._network.requester, bucket, after=self._revision):
            standing = standing_of(message)
            self._revision = message.sequence
            if standing.sleeper is None:
                self._known.pop(buckets.key_of(bucket, message), None)
            else:
                self._known[standing.sleeper.workflow_id] = _Known(standing.sleeper, standing, time.monotonic())

    async def _with_results(self, sleepers: Iterable[Sleeper]) -> set[str]:
        """Return those of which a result stands that they wait for."""
        result = self._network.subjects.result
        seekers: dict[str, list[str]] = {}
        for sleeper in sleepers:
            for task_type, task_ids in sleeper.waits_for.items():
                for task_id in task_ids:
                    seekers.setdefault(result(task_type, task_id), []).append(sleeper.workflow_id)
        return {workflow_id for subject in await self._standing(seekers) for workflow_id in seekers[subject]}

    async def _tidy(self, sleepers: Iterable[Sleeper]) -> set[str]:
        """Take away the records of runs that have ended, and return these runs."""
        subjects = {self._network.subjects.result(WORKFLOW_TYPE, each.workflow_id): each for each in sleepers}
        ended = [subjects[subject] for subject in await self._standing(subjects)]
        for sleeper in ended:
            await self._sleepers.remove(sleeper)
        return {sleeper.workflow_id for sleeper in ended}

    async def _standing(self, subjects: Collection[str]) -> set[str]:
        """Return those of these subjects that have their result."""
        wanted, found = list(subjects), set[str]()
        for first in range(0, len(wanted), BATCH):
            part = wanted[first : first + BATCH]
            found |= (await last_of_each(self._network.requester, self._network.subjects.results, part)).keys()
        return found

    async def _wake_all(self, wanted: Sequence[_Known]) -> None:
        if not wanted:
            return
        behind = await last_sequence(self._network)
        for first in range(0, len(wanted), AT_ONCE):
            part = wanted[first : first + AT_ONCE]
            await asyncio.gather(*(self._wake(each.sleeper, each.standing, behind) for each in part))

    async def _replace_dead(self, late: Sequence[_Known]) -> None:
        """Wake those whose wake-ups do not stand: whoever claimed their records has died.

        Where many are woken at once their drivers come late, and to look through the ledger for each of them, or for all of them
        again and again, would make them come later still.
        """
        by_subject: dict[str, dict[str, _Known]] = {}
        for each in late:
            subject = self._network.subjects.workflow(each.sleeper.workflow)
            by_subject.setdefault(subject, {})[mark_of(each.sleeper.nonce)] = each
        for subject, sought in by_subject.items():
            standing = await self._marks(subject, sought)
            await self._wake_all(
                [each for mark, each in sought.items() if mark not in standing or _is_former(each.sleeper)]
            )
        for each in late:
            if self._known.get(each.sleeper.workflow_id) == each:
                self._known[each.sleeper.workflow_id] = each._replace(stands=True)

    async def _marks(self, subject: str, sought: Mapping[str, _Known]) -> set[str]:
        """Return those of the marks under which a wake-up stands on `subject`, by one reading for all of them."""
        behind = min(each.sleeper.woken_behind or 0 for each in sought.values())
        found = set[str]()
        async for message in entries(self._network, subject, start=behind + 1):
            if (mark := message.headers.get("Nats-Msg-Id", "")) in sought:
                found.add(mark)
                if len(found) == len(sought):
                    break
        return found

    async def _wake(self, sleeper: Sleeper, standing: Standing, behind: int) -> bool:
        """Store the wake-up of a sleeper whose record stands so; False where the record is another one by now.

        `behind` is a sequence that the ledger had before, the newer the less is searched where this Omega dies now.
        """
        if _is_former(sleeper):
            try:
                history = await self._histories.read(sleeper.workflow_id)
            except SchemaError as error:
                log.warning("the workflow %s is left to an Omega of a later version: %s", sleeper.workflow_id, error)
                return True
            proof = new_proof(sleeper.workflow_id, secret=secret_of(history))
            sleeper = msgspec.structs.replace(sleeper, nonce=proof, woken_behind=None)
        subject = self._network.subjects.workflow(sleeper.workflow)
        mark = mark_of(sleeper.nonce)
        if sleeper.woken_behind is not None:
            start, headers = await wake_up(self._network, sleeper.start, driven=sleeper.activation)
            await store_once(self._network, subject, start, mark=mark, behind=sleeper.woken_behind, headers=headers)
            return True
        claimed = msgspec.structs.replace(sleeper, woken_behind=behind)
        start, headers = await wake_up(self._network, sleeper.start, driven=sleeper.activation)
        if not await self._sleepers.replace(claimed, standing.revision, grown=standing.grown):
            return False
        # Whoever else wants to store it comes later, and finds it; until then the server knows the mark.
        await publish(self._network.requester, subject, start, headers={**headers, "Nats-Msg-Id": mark})
        self._observer.woken(sleeper.workflow)
        log.info("the workflow %s %s goes on", sleeper.workflow, sleeper.workflow_id)
        return True


def _is_former(sleeper: Sleeper) -> bool:
    """Tell whether an Omega of an earlier version has put a run to sleep, whose mark proves nothing."""
    return is_former(sleeper.nonce)
