"""Taking a run up under one activation: it is begun, or gone on with where whoever drove it before has left it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from msgspec.structs import replace

from bus.histories import Written
from bus.journal import insist
from bus.sleepers import Standing, anew
from bus.task import Task, TaskError
from clones.omega.workflows.beginning import first_event, may_begin, new_secret, version_kept
from clones.omega.workflows.chronicle import HEADROOM_BYTES, Chronicle, Overtaken
from clones.omega.workflows.issuing import Issuing
from clones.omega.workflows.means import Books, Means, asked_by
from clones.omega.workflows.seeking import Seeking
from clones.omega.workflows.waiting_words import not_from_omega
from clones.omega.workflows.wake_ups import mark_of, may_go_on
from clones.workflows.commands import Command
from clones.workflows.ids import new_proof
from clones.workflows.views import expected, finished, outstanding
from schemas import SEQUENCE_PREFIX, SchemaError, WorkflowEntry, WorkflowStart, encode, sequence_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TakingUp:
    """One driver's."""

    task: Task
    start: WorkflowStart
    books: Books
    means: Means
    chronicle: Chronicle
    seeking: Seeking
    issuing: Issuing

    async def commands(self) -> Sequence[Command]:
        """Begin the run, or take in what it has come to; returns what is to be done for all that is known.

        Raises:
            Overtaken: it is for another one to go on with it.
            TaskError: it cannot begin, or cannot be driven here.
            SchemaError: a later version has written what cannot be read here.
        """
        # A run that begins has its first entry refused if there is one: this look spares whoever goes on with one that attempt.
        is_new = self._looks_new(await insist(lambda: self.books.sleepers.read(self.task.id)))
        while not (history := [] if is_new else await self._history()):
            if not is_new:
                await self._get_up()
            if (commands := await self._begin()) is not None:
                return commands if self.chronicle.state.begun.secret else await self._unless_asked_before()
            is_new = False
        # Before anything is taken from whoever drives it, or from the bucket of those that sleep.
        network, task = self.means.network, self.task
        if not await insist(lambda: may_go_on(network, history, task.id, task.sequence, task.mark)):
            log.warning("%s", not_from_omega(self.task.id, self.task.sequence))
            raise Overtaken
        standing = await self._get_up()
        return await self._go_on(history + await self._history(after=history[-1].sequence), standing)

    async def _history(self, *, after: int = 0) -> list[Written]:
        return await insist(lambda: self.books.histories.read(self.task.id, after=after))

    async def _get_up(self) -> Standing:
        standing = await insist(lambda: self.books.sleepers.get_up(self.task.id, activation=self.task.sequence))
        if standing is None:
            raise Overtaken
        return standing

    def _looks_new(self, standing: Standing) -> bool:
        return not standing.revision and not self.task.begun and not self._looks_like_wake_up()

    def _looks_like_wake_up(self) -> bool:
        return self.task.id.startswith(SEQUENCE_PREFIX) and self.task.id != sequence_id(self.task.sequence)

    # One without a history

    async def _begin(self) -> Sequence[Command] | None:
        """Write the first entry; None where there is one."""
        if self._looks_like_wake_up():
            # Of a run that never began. That id may be somebody else's, or will be.
            raise Overtaken
        if not await insist(lambda: may_begin(self.means.network, self.task)):
            log.warning("%s", not_from_omega(self.task.id, self.task.sequence))
            raise Overtaken
        try:
            entry = await self._first_entry()
        except (TaskError, SchemaError):
            if await self.chronicle.added():
                # A run that has begun goes by what it began with, whatever this start asks for.
                return None
            raise
        sequence = await self.chronicle.store(entry)
        return None if sequence is None else self.chronicle.take_in([Written(sequence, entry.at, entry)])

    async def _first_entry(self) -> WorkflowEntry:
        name = self.task.subject.rpartition(".")[2]
        begun, workflow = await first_event(name, self.start, self.books.definitions, self.means.others)
        # This one counts, and no other, if the entry is the first.
        begun = replace(begun, secret=await new_secret(self.means.network, self.task))
        self.chronicle.definition = workflow.definition
        entry = self.chronicle.entry((begun,), workflow.version)
        if len(encode(entry)) > self.means.network.max_payload - HEADROOM_BYTES:
            raise TaskError.incompatible("the input, with what is kept of the run before, is too large for one message")
        return entry

    async def _unless_asked_before(self) -> Sequence[Command]:
        """Return what is to be done for a run that has begun before, and has no history until now.

        Omegas of earlier versions kept none. What they asked for has the same ids, and stands behind the start.
        """
        entry = self.chronicle.entry((), self.chronicle.state.version)
        start = Written(self.task.sequence, self.task.stored_at, entry)
        return await self._outstanding([start], frozenset(), self.task.started_at)

    # One with a history

    async def _go_on(self, history: list[Written], standing: Standing) -> Sequence[Command]:
        chronicle = self.chronicle
        chronicle.definition = (await version_kept(self.books.definitions, history[0].entry)).definition
        chronicle.take_in(history)
        sequence = None
        while sequence is None:
            if finished(chronicle.state) is not None:
                # Perhaps only just, by whoever drove it before.
                return ()
            if history[-1].entry.activation == self.task.sequence:
                await self._pass_on()
            sequence = await chronicle.store(chronicle.entry((), chronicle.state.version))
            chronicle.take_in(added := await chronicle.added())
            history += added
        # Read back, it tells the server's time.
        now = next((each.stored_at for each in history if each.sequence == sequence), history[-1].stored_at)
        slept = standing.sleeper
        stored = frozenset() if slept is None else frozenset(each for ids in slept.waits_for.values() for each in ids)
        return await self._outstanding(history, stored, now)

    async def _pass_on(self) -> NoReturn:
        """Have the run go on under a message of its own: somebody has driven it under this one, and may do so still.

        Raises:
            Overtaken: always.
        """
        subject = self.means.network.subjects.workflow(self.chronicle.definition.name)
        proof = new_proof(self.task.id, secret=self.chronicle.state.begun.secret)
        start, mark = anew(self.start, self.task.id), mark_of(proof)
        driven = self.task.sequence
        await insist(lambda: self.means.submissions.go_on(subject, start, mark=mark, driven=driven))
        raise Overtaken

    async def _outstanding(
        self, history: Sequence[Written], stored: frozenset[str], now: datetime
    ) -> Sequence[Command]:
        """Return what is to be done for the run as it stands, but for what is known to be `stored`; `now` is the server's time."""
        definition, state = self.chronicle.definition, self.chronicle.state
        commands = outstanding(definition, state)
        for each in expected(definition, state):
            await self.seeking.seek(each)
        self.seeking.look_now()
        unsure = [asked for each in commands if (asked := asked_by(self.means.network.subjects, each)) is not None]
        unsure = [asked for asked in unsure if asked.task_id not in stored]
        known = await self.issuing.known(unsure, history, now)
        self.seeking.sequences |= known
        done = stored | known.keys()
        return [
            each
            for each in commands
            if (asked := asked_by(self.means.network.subjects, each)) is None or asked.task_id not in done
        ]
