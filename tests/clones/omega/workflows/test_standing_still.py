"""A driver stands still between any two things that it asks of others, and goes on when another one has ended its run.

One process drives many runs at once, each of which is left standing at another point. Then an Omega comes that nothing happens
to: it ends all of them. Those that stood still wake up afterwards and do no harm: each step's effect has come to pass once.
Drivers that die at these points have tests with real processes, among those of faults.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bus.client import Submitter
from bus.delivery import from_ledger
from bus.histories import Histories
from bus.identity import Identity
from bus.intake import Request, read
from bus.journal import Journal
from bus.ledger import entry
from bus.network import open_network
from bus.subjects import WORKFLOW_TYPE
from bus.task import Ended, Outcome, Suspended, Task
from clones.omega.workflows.arrivals import Arrivals
from clones.omega.workflows.driver import Driver
from clones.omega.workflows.means import Books, Means
from clones.omega.workflows.steering import Workflows, workflows_of
from clones.omega.workflows.submissions import Submissions
from clones.omega.workflows.telling import Run
from clones.workflows.advance import replay
from clones.workflows.views import awaited_decisions, finished
from schemas import (
    CancelRequested,
    DecisionMade,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowEvent,
    WorkflowFailure,
    WorkflowWaiting,
)
from tests.bus.eventually import eventually
from tests.bus.taking import Taken, answer, take
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.workflows.faults import Faulty, Point, Points
from tests.clones.omega.workflows.flows import Doers, clones, definition, put, start, task
from tests.clones.rig import TABLE, ClonesRig

QUICK = "a fan-out and a sub-workflow"
"""The case of the fast suite."""
POLL_S = 0.1
"""All of it happens in one process: looking more often would leave it no time for anything else."""

INNER = definition({"deep": task("${input.of}/deep")}, "inner", input={"of": {}}, output="${steps.deep.output.target}")


ALWAYS = frozenset(
    {
        "definitions.newest",
        "histories.append",
        "sleepers.read",
        "submissions.submit",
    }
)
"""The calls that the driver of every run makes."""


@dataclass(frozen=True)
class Case:
    """A workflow, what is told to its runs, and what is to come of each."""

    flow: WorkflowDefinition
    effects: Callable[[str], set[str]]
    """By the run's id: the targets of all tasks that are done, each once."""
    ends: type[WorkflowCompletion] | type[WorkflowFailure] = WorkflowCompletion
    tell: Callable[[Run], WorkflowEvent | None] | None = None
    optional: Callable[[str], set[str]] = lambda _: set()
    """Targets of tasks that may have been done before something ended them."""
    calls: frozenset[str] = ALWAYS
    """What the driver of each run asks of others, whatever takes how long."""


def of(target: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return task(f"${{workflow.id}}/{target}", *needs, **fields)


def undo(target: str) -> dict[str, Any]:
    return {"task": "security", "params": {"target": f"${{workflow.id}}/undo-{target}"}}


def at(*targets: str) -> Callable[[str], set[str]]:
    return lambda run_id: {f"{run_id}/{target}" for target in targets}


def approves(run: Run) -> WorkflowEvent | None:
    if not awaited_decisions(run.definition, run.state):
        return None
    return DecisionMade(step="ask", verdict="approve", decided_by="ann", command=1)


def cancels(run: Run) -> WorkflowEvent | None:
    if run.state.steps["first"].state != "completed" or finished(run.state) is not None:
        return None
    return None if run.state.failure is not None else CancelRequested(by="ann", command=1)


CASES: Mapping[str, Case] = {
    "a fan-out and a sub-workflow": Case(
        definition(
            {
                "first": of("first"),
                "each": of("each-${item}", "first", foreach="['a', 'b', 'c']", parallelism=2),
                "sub": {"workflow": "inner", "params": {"of": "${workflow.id}"}, "needs": ["first"]},
                "last": of("last-${steps.sub.output}", "each", "sub"),
            }
        ),
        lambda run_id: at("first", "each-a", "each-b", "each-c", "deep", f"last-{run_id}/deep")(run_id),
    ),
    "a failure that is undone": Case(
        definition(
            {
                "first": of("first", compensate=undo("first")),
                "second": of("second", "first", compensate=undo("second")),
                "bad": of("bad", "second"),
            }
        ),
        at("first", "second", "bad", "undo-first", "undo-second"),
        WorkflowFailure,
    ),
    "a decision and a timer": Case(
        definition(
            {
                "first": of("first"),
                "ask": {"decision": {}, "needs": ["first"]},
                "pause": {"wait": {"for_s": 3600}, "needs": ["ask"]},
                "last": of("last", "pause"),
            }
        ),
        at("first", "last"),
        tell=approves,
        calls=ALWAYS | {"sleepers.lie_down", "sleepers.get_up", "histories.read"},
    ),
    "a cancel": Case(
        definition(
            {
                "first": of("first", compensate=undo("first")),
                "slow": of("slow", "first"),
                "sub": {"workflow": "inner", "params": {"of": "${workflow.id}"}, "needs": ["first"]},
            }
        ),
        at("first", "undo-first"),
        WorkflowFailure,
        cancels,
        at("slow", "deep"),
    ),
}


@dataclass
class Lost:
    """One run that is driven until it is lost."""

    run_id: str
    points: Points
    driving: list["asyncio.Task[None]"] = field(default_factory=list)
    over: bool = False


class Process:
    """An Omega's process that drives runs as its worker would, each with points of its own."""

    def __init__(self, rig: ClonesRig, workflows: Workflows, arrivals: Arrivals, clock: SetClock) -> None:
        self.workflows = workflows
        self.serving: asyncio.Task[None]
        self.lost: dict[str, Lost] = {}
        self._rig = rig
        self._arrivals = arrivals
        self._clock = clock
        self._identity = Identity("omega")
        self.stopped = False

    async def serve(self) -> None:
        """Take what comes, until told to stop: a process that is lost takes nothing more."""
        while not self.stopped:
            for taken in await take(self._rig.network, self._rig.subjects.workflows_consumer, 64, wait_s=0.1):
                await self._begin(taken)
            await self.workflows.waker.look()

    async def _begin(self, taken: Taken) -> None:
        message = await entry(self._rig.network, taken.sequence)
        assert message is not None
        request = read(self._rig.subjects, WORKFLOW_TYPE, from_ledger(message))
        assert isinstance(request, Request)
        if request.assignment.parent_id in self.lost:
            self.lost.setdefault(request.id, Lost(request.id, Points()))  # a sub-workflow is driven to its end
        lost = self.lost.get(request.id)
        if lost is None or lost.points.reached.is_set() or taken.delivered > 1:
            return  # nobody answers for it
        made = Task(
            id=request.id,
            task_type=WORKFLOW_TYPE,
            params=request.assignment.params,
            attempt=1,
            timeout_s=1000.0,
            instance=self._identity.instance,
            sequence=taken.sequence,
            stored_at=message.stored_at,
            started_at=datetime.now(UTC),
            labels={},
            parent_id=None,
            traceparent=None,
            report=lambda _fraction, _message: None,
            subject=message.subject,
            start=request.start,
            mark=message.headers.get("Nats-Msg-Id", ""),
        )
        lost.driving.append(asyncio.create_task(self._live(lost, made, taken)))

    async def _live(self, lost: Lost, made: Task, taken: Taken) -> None:
        outcome = await self._drive(lost, made)
        await self._conclude(lost, made, outcome)
        await lost.points.point("before the acknowledgement")
        await answer(self._rig.network, taken, b"+ACK")

    async def _drive(self, lost: Lost, made: Task) -> Outcome:
        network, workflows, points = self._rig.network, self.workflows, lost.points
        journal: Any = Faulty(Journal(network.requester, network.subjects), points, "journal")
        histories: Any = Faulty(Histories(network), points, "histories")
        definitions: Any = Faulty(workflows.definitions, points, "definitions")
        sleepers: Any = Faulty(workflows.sleepers, points, "sleepers")
        submissions: Any = Faulty(Submissions(network, workflows.submitter), points, "submissions")
        results: Any = Faulty(network.results, points, "results")
        others: Any = Faulty(workflows.others, points, "others")
        means = Means(
            network=network,
            identity=self._identity,
            table=lambda: TABLE,
            submissions=submissions,
            results=results,
            others=others,
            arrivals=self._arrivals,
            journal=journal,
        )
        assert made.start is not None
        return await Driver(made, made.start, Books(histories, definitions, sleepers, self._clock), means).run()

    async def _conclude(self, lost: Lost, made: Task, outcome: Outcome) -> None:
        network = self._rig.network
        if isinstance(outcome, Ended):
            await lost.points.point("before the result")
            await network.results.settle(outcome.result)
            lost.over = True
        elif isinstance(outcome, Suspended):
            await lost.points.point("before it is told that it waits")
            waiting = WorkflowWaiting(
                task_id=made.id,
                task_type=made.task_type,
                clone="omega",
                instance=self._identity.instance,
                attempt=1,
                at=datetime.now(UTC),
                sequence=made.sequence,
            )
            await Journal(network.requester, network.subjects).store(waiting)


@asynccontextmanager
async def process(rig: ClonesRig, clock: SetClock) -> AsyncIterator[Process]:
    async with (
        open_network(rig.bus.settings, rig.subjects, name="lost") as network,
        Submitter(network) as submitter,
        Arrivals(network) as arrivals,
    ):
        workflows = workflows_of(network, Identity("omega"), submitter, lambda: TABLE, clock)
        running = Process(rig, workflows, arrivals, clock)
        running.serving = asyncio.create_task(running.serve())
        try:
            yield running
        finally:
            running.serving.cancel()
            drivers = [each for lost in running.lost.values() for each in lost.driving]
            for each in drivers:
                each.cancel()
            await asyncio.gather(running.serving, *drivers, return_exceptions=True)


async def tell(running: Process, case: Case, run_id: str) -> None:
    """Tell a run what is due."""
    if case.tell is None:
        return
    run = await running.workflows.telling.run(run_id)
    if run is not None and case.tell(run) is not None:
        await running.workflows.telling.tell(run_id, case.tell)


async def drive_until_lost(rig: ClonesRig, case: Case, running: Process, clock: SetClock, lost: list[Lost]) -> None:
    """Have runs driven until each is lost, or over."""
    for each in lost:
        running.lost[each.run_id] = each
        await start(rig, case.flow.name, each.run_id)

    async def all_lost() -> bool:
        left = [each for each in lost if not each.points.reached.is_set() and not each.over]
        await asyncio.gather(*(tell(running, case, each.run_id) for each in left))
        clock.forward(minutes=5)
        await asyncio.sleep(POLL_S)
        return not left

    await eventually(all_lost, within_s=100)


@pytest.fixture
def quick_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clones.omega.workflows.driver.ALL_SILENT_S", 0.05)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "name", [QUICK, *(pytest.param(name, marks=pytest.mark.chaos) for name in CASES if name != QUICK)]
)
async def test_a_driver_that_stands_still_at_any_point_does_no_harm(
    clones_rig: ClonesRig, name: str, quick_sleep: None
) -> None:
    case, clock, doers = CASES[name], SetClock(), Doers()
    await put(clones_rig, case.flow, INNER)
    async with clones(clones_rig, doers, capacity=256), process(clones_rig, clock) as running:
        whole = Lost("whole", Points())
        doers.hold("whole/slow")
        doers.failing = {"whole/bad"}
        await drive_until_lost(clones_rig, case, running, clock, [whole])
        points = [
            Point(name, number) for name, count in Counter(whole.points.names).items() for number in range(1, count + 1)
        ]
        lost = [Lost(f"still-{number}", Points(point)) for number, point in enumerate(points)]
        for each in lost:
            doers.hold(f"{each.run_id}/slow")
        doers.failing = {f"{each.run_id}/bad" for each in (whole, *lost)}
        await drive_until_lost(clones_rig, case, running, clock, lost)
        # How often a run comes by some points is a matter of time: those that did not stand still have ended.
        stood = {each.points.at.name for each in lost if each.points.at and each.points.reached.is_set()}
        assert {f"{side} {call}" for call in case.calls for side in ("before", "after")} - stood == set()
        running.stopped = True
        await running.serving
        async with clones_rig.omega(clock=clock, capacity=128):
            await all_end(clones_rig, case, running, clock, lost)
            for each in lost:
                each.points.go_on.set()
            await asyncio.gather(*(driver for each in lost for driver in each.driving))
    began = Counter(doers.targets)
    for each in lost:
        wanted = case.effects(each.run_id)
        done = {target: count for target, count in began.items() if target.startswith(f"{each.run_id}/")}
        assert {target for target, count in done.items() if count > 1} == set(), (each.run_id, each.points.at)
        assert wanted <= done.keys() <= wanted | case.optional(each.run_id), (each.run_id, each.points.at)
    await histories_are_legal(clones_rig, case, lost)


async def all_end(rig: ClonesRig, case: Case, running: Process, clock: SetClock, lost: list[Lost]) -> None:
    missing = {each.run_id for each in lost}

    async def look(run_id: str) -> None:
        result = await rig.network.results.read(WORKFLOW_TYPE, run_id)
        if result is None:
            await tell(running, case, run_id)
        else:
            assert isinstance(result, case.ends), result
            missing.discard(run_id)

    async def ended() -> bool:
        await asyncio.gather(*(look(run_id) for run_id in tuple(missing)))
        clock.forward(minutes=5)
        await asyncio.sleep(POLL_S)
        return not missing

    await eventually(ended, within_s=150)


async def histories_are_legal(rig: ClonesRig, case: Case, lost: list[Lost]) -> None:
    """The events of each make a run that has ended, and its results are one."""
    for each in lost:
        written = await Histories(rig.network).read(each.run_id)
        state = replay(case.flow, each.run_id, (one.entry for one in written))
        assert state is not None
        assert finished(state) is not None
        assert [one.sequence for one in written] == sorted(one.sequence for one in written)
        activations = [one.entry.activation for one in written]
        assert activations == sorted(activations)
        subject = rig.subjects.result(WORKFLOW_TYPE, each.run_id)
        assert len(await rig.bus.in_stream(rig.subjects.ledger, subject)) == 1
