"""A realm with worker and Omega processes that may be killed, frozen and drained, driven step by step."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import msgspec

from bus.client import Submitter
from bus.consumers import consumer_states
from bus.jetstream import api
from bus.ledger import stream_entries
from bus.network import Network, open_network
from bus.server import EmbeddedServer
from bus.subjects import Subjects
from bus.topology import ensure
from clones.completeness.findings import Finding
from clones.omega.once import store_command
from clones.routing import clones_by_type
from schemas import Command, Priority, RecoveryAction, TaskAssignment
from tests.clones.completeness.whole import findings
from tests.faults.machine_processes import CLONES, TABLE, Act, Place, start_omega, start_worker
from tests.faults.promises import Asked, Ledger, Task, told

READY_WITHIN_S = 60.0
DRAINED_WITHIN_S = 90.0
POLL_S = 0.02
DECISIONS = 3
"""So many parked tasks are decided about as the example wants; then they fail, so that there is an end."""

_serial = itertools.count(1)


class Realm:
    """One realm, its processes, and what this side knows of what it asked for."""

    def __init__(self, network: Network, submitter: Submitter, place: Place) -> None:
        self._network = network
        self._submitter = submitter
        self.place = place
        self.subjects = network.subjects
        self.asked = Asked()
        self.workers: dict[str, tuple[str, ForkServerProcess]] = {}
        """By instance: its clone and its process."""
        self.omegas: dict[str, ForkServerProcess] = {}
        self._frozen: set[int] = set()
        self._decided: set[tuple[Task, int]] = set()

    # Processes

    def start(self, clone: str) -> str:
        """Start a worker, or an Omega, and return its instance."""
        instance = f"{clone}-{next(_serial)}"
        if clone == "omega":
            self.omegas[instance] = start_omega(self.place, instance)
        else:
            self.workers[instance] = clone, start_worker(self.place, clone, instance)
        return instance

    def process(self, instance: str) -> ForkServerProcess:
        return self.omegas[instance] if instance in self.omegas else self.workers[instance][1]

    def send(self, instance: str, number: signal.Signals) -> None:
        process = self.process(instance)
        self.asked.disturbed = True
        if process.pid is not None and process.is_alive():
            with contextlib.suppress(ProcessLookupError):  # its task has killed it in this very moment
                os.kill(process.pid, number)
        if number is signal.SIGSTOP:
            self._frozen.add(process.pid or 0)
        elif number is signal.SIGCONT:
            self._frozen.discard(process.pid or 0)

    def is_frozen(self, instance: str) -> bool:
        return self.process(instance).pid in self._frozen

    async def end(self, instance: str, number: signal.Signals) -> None:
        """Kill a process, or have it drain, and wait until it is gone."""
        if number is not signal.SIGKILL:
            self.send(instance, signal.SIGCONT)
            await self.ready(instance)
        self.send(instance, number)
        process = self.process(instance)
        await asyncio.to_thread(process.join, READY_WITHIN_S)
        assert not process.is_alive(), f"{instance} does not end"
        self.workers.pop(instance, None)
        self.omegas.pop(instance, None)

    async def ready(self, instance: str) -> None:
        """Wait until a process works, or is gone."""

        def settled() -> bool:
            dead = not self.process(instance).is_alive()
            return dead or any(note.instance == instance for note in self.place.notes())

        await self._until(settled, READY_WITHIN_S, f"{instance} does not begin to work")

    async def _until(self, condition: Callable[[], bool], within_s: float, otherwise: str) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + within_s
        while not condition():
            assert clock() < deadline, otherwise
            await asyncio.sleep(POLL_S)

    # What is asked for

    async def submit(
        self, task_type: str, script: Sequence[Act], *, priority: Priority | None = None, **limits: Any
    ) -> Task:
        params = {"script": msgspec.to_builtins(script)}
        stored = await self._submitter.submit(task_type, TaskAssignment(params=params, **limits), priority=priority)
        task = task_type, stored.id
        self.asked.tasks[task] = tuple(script)
        return task

    async def command(self, command: Command) -> int:
        number = await store_command(self._network, command)
        self.asked.commands.add(number)
        return number

    async def commands(self, commands: Sequence[Command]) -> list[int]:
        """Store several at the same moment."""
        return await asyncio.gather(*map(self.command, commands))

    async def moves(self, task: Task, within_s: float) -> None:
        """Wait until something more is noted or stored about a task that has not ended, or `within_s` is over."""
        before = await self._seen(task)
        if before[1]:
            return
        clock = asyncio.get_running_loop().time
        deadline = clock() + within_s
        while clock() < deadline and before == await self._seen(task):  # noqa: ASYNC110  another process says so
            await asyncio.sleep(POLL_S)

    async def _seen(self, task: Task) -> tuple[int, bool]:
        count = sum(note.task_id == task[1] for note in self.place.notes())
        return count, await self._network.results.read(*task) is not None

    # The end

    async def heal(self) -> None:
        """Let go on what is frozen, and see to it that each clone and Omega has an instance."""
        for instance in (*self.workers, *self.omegas):
            if self.is_frozen(instance):
                self.send(instance, signal.SIGCONT)
        await self._replace_the_dead()

    async def _replace_the_dead(self) -> None:
        for instance in [each for each in self.workers if not self.process(each).is_alive()]:
            self.workers.pop(instance)
            self.asked.disturbed = True
        there = {clone for clone, _ in self.workers.values()}
        missing = [clone for clone in CLONES if clone not in there] + (["omega"] if not self.omegas else [])
        for instance in [self.start(clone) for clone in missing]:
            await self.ready(instance)

    async def drain(self, decision: str) -> Ledger:
        """Wait until no consumer has anything left; `decision` is what parked tasks get that wait for a person."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + DRAINED_WITHIN_S
        while True:
            states = await consumer_states(self._network)
            if all(state.is_idle for state in states.values()):
                ledger = await self.read()
                if sorted(ledger.copies) == sorted(ledger.stored):
                    return ledger
            if clock() > deadline:
                ledger = await self.read()
                left = [str(state) for state in states.values() if not state.is_idle]
                raise AssertionError("\n".join(["not drained:", *left, told(ledger, self.place, ledger.open_tasks())]))
            await self._replace_the_dead()
            await self._decide(await self.read(), decision)
            await asyncio.sleep(5 * POLL_S)

    async def _decide(self, ledger: Ledger, decision: str) -> None:
        for task, sequence in ledger.parked().items():
            if task[0] == "parked" and (task, sequence) not in self._decided:
                self._decided.add((task, sequence))
                action: Any = decision if len(self._decided) <= DECISIONS else "fail"
                await self.command(RecoveryAction(task_type=task[0], task_id=task[1], action=action, by="the machine"))

    async def read(self) -> Ledger:
        subjects, requester = self.subjects, self._network.requester
        every = f"{subjects.realm}.>"
        # The copies come late: results first, so that none is a copy of what was not read.
        results = [each async for each in stream_entries(requester, subjects.results, every)]
        ledger = [each async for each in stream_entries(requester, subjects.ledger, every)]
        return Ledger(subjects, ledger, results)

    async def findings(self) -> list[Finding]:
        """What the product's own check of the ledger finds."""
        return await findings(self._network, TABLE)

    async def close(self) -> None:
        """End everything, by kill -9, and take the realm from the server."""
        for process in (*self.omegas.values(), *(process for _, process in self.workers.values())):
            process.kill()
            await asyncio.to_thread(process.join)
            process.close()
        for stream in (self.subjects.ledger, self.subjects.results):
            await api(self._network.requester, f"STREAM.DELETE.{stream}")


@asynccontextmanager
async def open_realm(server: EmbeddedServer, directory: Path, *, kept_s: float) -> AsyncIterator[Realm]:
    """A fresh realm without any process yet."""
    name = f"machine{next(_serial)}"
    place = Place(server.options.store, name, directory / f"{name}.journal", kept_s)
    subjects = Subjects(name)
    async with (
        open_network(server.settings_for("operator"), subjects, name="machine") as network,
        Submitter(network) as submitter,
    ):
        await ensure(network.requester, subjects, task_types=clones_by_type(TABLE))
        realm = Realm(network, submitter, place)
        try:
            yield realm
        finally:
            await realm.close()
