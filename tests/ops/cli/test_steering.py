"""`sanctuary task cancel`, `retry`, `reassign`, `complete`, `fail`, `parked`, and what `list` and `show` tell of it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bus.client import Submitter
from bus.identity import Identity
from bus.network import open_network
from bus.worker import Worker
from clones.omega.asks import Asks
from clones.omega.calls import Calls
from clones.omega.clock import SystemClock
from clones.omega.commands import services
from clones.omega.workflows.running import WORKFLOWS_AT_ONCE
from clones.omega.workflows.steering import workflows_of
from clones.routing import DEFAULT_TABLE, service
from ops.cli.times import point_in_time
from ops.daemon import OMEGA_CAPACITY
from schemas import Route, RoutingTable, TaskAssignment, TaskCompletion, TaskFailure, WorkflowStart
from tests.bus.eventually import eventually
from tests.bus.rig import QUICK, Runs
from tests.clones.rig import put_table
from tests.ops.rig import OpsRig

TYPE = "security"
TABLE = RoutingTable(
    aliases=DEFAULT_TABLE.aliases,
    routes={
        **DEFAULT_TABLE.routes,
        TYPE: Route(clone="beta", fallback=("delta",), when_exhausted="park", retries=0, timeout_s=20),
    },
)


@asynccontextmanager
async def omega(rig: OpsRig) -> AsyncIterator[None]:
    """What answers calls and carries out commands."""
    await put_table(rig.bus.network, TABLE, base_revision=1)
    async with open_network(rig.bus.settings, rig.bus.subjects, name="omega") as network:
        identity = Identity("omega")
        async with Submitter(network) as submitter:
            workflows = workflows_of(network, identity, submitter, lambda: TABLE, SystemClock())
            worker = Worker(network, services(identity, workflows), identity, capacity=4)
            asks = Asks(network, submitter, identity, lambda: TABLE)
            async with Calls(identity, "0.0.0", workflows, asks=asks.answer):
                await worker.start()
                try:
                    yield
                finally:
                    await worker.stop(0.0)


@asynccontextmanager
async def clone(rig: OpsRig, runs: Runs, name: str = "beta") -> AsyncIterator[None]:
    async with open_network(rig.bus.settings, rig.bus.subjects, name=name) as network:
        served = replace(service(TABLE, TYPE, name, runs, rig.bus.subjects), backoff=QUICK)
        worker = Worker(network, [served], Identity(name), capacity=4)
        await worker.start()
        try:
            yield
        finally:
            await worker.stop(0.0)


async def parked(rig: OpsRig, task_id: str, until: int = 2) -> None:
    """Submit a task, and return once it is parked."""
    params = {"fail": "engine_crashed", "until": until}
    await rig.bus.submitter.submit(TYPE, TaskAssignment(id=task_id, params=params, labels={"team": "red"}))

    async def is_parked() -> bool:
        told = await rig.bus.events(task_id, TYPE)
        return bool(told) and type(told[-1]).__name__ == "TaskParked"

    await eventually(is_parked)


async def test_a_queued_task_is_cancelled_and_shown_as_such(ops_rig: OpsRig) -> None:
    await ops_rig.bus.submitter.submit(TYPE, TaskAssignment(id="t"))
    async with omega(ops_rig):
        done = await ops_rig.cli("task", "cancel", "t", "--reason", "too \x1b[31mlate")
        again = await ops_rig.cli("task", "cancel", "t", "--json")
    assert (done.status, done.out) == (0, "done: security t is cancelled\n"), done.err
    assert (again.status, again.json["code"]) == (1, "command_refused")
    shown = await ops_rig.cli("task", "show", "t")
    lines = shown.out.splitlines()
    assert lines[0] == "task t, security: cancelled"
    assert " command " in lines[4]
    assert "cancel by " in lines[4]
    assert "\x1b" not in shown.out
    listed = await ops_rig.cli("task", "list", "--state", "cancelled", "--json")
    assert [task["task_id"] for task in listed.json["tasks"]] == ["t"]
    told = (await ops_rig.cli("task", "show", "t", "--json")).json["tasks"][0]["timeline"]
    assert [moment["kind"] for moment in told] == ["submitted", "command", "cancelled", "command"]
    assert told[0]["after_s"] == told[0]["since_s"] == 0.0
    assert "→ security t is cancelled" in told[1]["words"]
    assert re.search(r"→ command_refused: security t was cancelled by \S+: too .*late, at 20", told[3]["words"])
    assert told[2]["words"].startswith("by ")
    # The last line is how it ended, the one of the timeline tells the same of its moment.
    assert re.fullmatch(r"cancelled by \S+: too .*late", lines[-1])
    assert "failed" not in shown.out
    assert "cancelled: cancelled" not in (await ops_rig.cli("task", "list")).out
    assert "cancelled: cancelled" not in (await ops_rig.cli("audit", "show", "t")).out
    audit = await ops_rig.cli("audit", "show", "t", "--entries", "--json")
    kinds = [(entry["kind"], entry["task_type"]) for entry in audit.json["entries"]]
    # A command that takes its time leaves word that it has begun.
    assert sorted(each for each in kinds if each[0] != "TaskStarted") == [
        ("TaskAssignment", TYPE),
        ("TaskCancel", TYPE),
        ("TaskCancel", TYPE),
        ("TaskCompletion", "command"),
        ("TaskFailure", "command"),
        ("TaskFailure", TYPE),
    ]


async def test_parked_tasks_are_listed_and_go_on_when_told(ops_rig: OpsRig) -> None:
    beta, delta = Runs(), Runs()
    async with omega(ops_rig), clone(ops_rig, beta), clone(ops_rig, delta, "delta"):
        nobody = await ops_rig.cli("task", "parked")
        for task_id in ("a", "b", "c", "d"):
            await parked(ops_rig, task_id)
        await ops_rig.bus.submitter.run(TYPE, TaskAssignment(id="fine"), timeout_s=60)
        listed = await ops_rig.cli("task", "parked", "--json")
        table = await ops_rig.cli("task", "parked")
        ended = [
            await ops_rig.cli("task", "retry", "a"),
            await ops_rig.cli("task", "reassign", "b", "delta"),
            await ops_rig.cli("task", "complete", "c", "--output", '{"fine": 1}'),
            await ops_rig.cli("task", "fail", "d", "--reason", "hopeless"),
        ]
        results = [await ops_rig.bus.result(task_id, TYPE) for task_id in "abcd"]
        refused = await ops_rig.cli("task", "reassign", "b", "gamma")
        again = await ops_rig.cli("task", "retry", "a")

        async def left() -> bool:
            # What was run again is parked as its first one was.
            told = (await ops_rig.cli("task", "parked", "--json")).json["tasks"]
            return len(told) == 1 and told[0]["task_id"] not in "abcd"

        await eventually(left)
    assert nobody.out == "No task waits for a decision.\n"
    assert [task["task_id"] for task in listed.json["tasks"]] == ["a", "b", "c", "d"]
    assert listed.json["tasks"][0]["labels"] == {"team": "red"}
    assert "engine_crashed: as asked" in table.out
    assert [each.status for each in ended] == [0, 0, 0, 0], [each.err for each in ended]
    assert [type(result) for result in results] == [TaskCompletion, TaskCompletion, TaskCompletion, TaskFailure]
    assert [result.clone for result in results] == ["beta", "delta", "omega", "omega"]
    assert refused.status == 1
    assert refused.out.startswith("not done: gamma takes no security tasks")
    assert again.status == 0
    assert "security a runs again as " in again.out
    assert again.err.startswith("sanctuary task show ")


async def test_without_omega_a_command_is_stored_for_the_next_one(ops_rig: OpsRig) -> None:
    await ops_rig.bus.submitter.submit(TYPE, TaskAssignment(id="t"))
    nobody = await ops_rig.cli("task", "cancel", "t")
    stored = await ops_rig.cli("task", "cancel", "t", "--no-wait", "--json")
    waiting = await ops_rig.cli("task", "show", "t")
    assert nobody.status == 1
    assert "no Omega runs here" in nobody.err
    assert "--no-wait" in nobody.err
    assert (stored.status, stored.json) == (0, {"id": "seq-2", "sequence": 2})
    assert "→ not carried out yet" in waiting.out
    async with omega(ops_rig):
        assert isinstance(await ops_rig.bus.result("t", TYPE), TaskFailure)


async def test_a_workflow_is_cancelled_by_its_id(ops_rig: OpsRig) -> None:
    await ops_rig.bus.submitter.start_workflow("review", WorkflowStart(id="w", input={"target": "x"}))
    async with omega(ops_rig):
        done = await ops_rig.cli("task", "cancel", "w")
    assert done.out == "done: workflow w is cancelled\n", done.err
    assert isinstance(await ops_rig.bus.result("w", "workflow"), TaskFailure)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("cancel", "unknown"), 1, "there is no task unknown"),
        (("cancel", ">"), 2, "is no task id"),
        (("complete", "x", "--output", "{"), 2, "--output is not JSON"),
        (("reassign", "t", "No Clone"), 2, "at `$.clone`"),
        (("list", "--since", "yesterday"), 2, "--since 'yesterday' is no time"),
        (("list", "-l", "red"), 2, "'red' is no key=value"),
    ],
)
async def test_mistakes_are_told(ops_rig: OpsRig, arguments: tuple[str, ...], status: int, says: str) -> None:
    await ops_rig.bus.submitter.submit(TYPE, TaskAssignment(id="t"))
    ended = await ops_rig.cli("task", *arguments)
    assert (ended.status, says in ended.err) == (status, True), ended.err
    assert "Traceback" not in ended.err


async def test_one_id_under_two_types_is_told_apart_where_it_can_be(ops_rig: OpsRig) -> None:
    for task_type in (TYPE, "testing"):
        await ops_rig.bus.submitter.submit(task_type, TaskAssignment(id="same"))
    async with omega(ops_rig):
        async with clone(ops_rig, Runs()):
            await ops_rig.bus.result("same", TYPE)
        one = await ops_rig.cli("task", "cancel", "same")
        both = await ops_rig.cli("task", "retry", "same")
    assert one.out == "done: testing same is cancelled\n"
    assert both.status == 1
    assert "there are several tasks same: " in both.err


async def test_the_list_by_label_clone_and_time(ops_rig: OpsRig) -> None:
    for number, labels in enumerate(({"team": "red"}, {"team": "red", "env": "x"}, {})):
        await ops_rig.bus.submitter.submit(TYPE, TaskAssignment(id=f"t{number}", labels=labels))
    await asyncio.sleep(0.05)
    between = datetime.now(UTC)
    await ops_rig.bus.submitter.submit("testing", TaskAssignment(id="late"))
    async with clone(ops_rig, Runs()):
        for number in range(3):
            await ops_rig.bus.result(f"t{number}", TYPE)

    async def ids(*arguments: str) -> list[str]:
        listed = await ops_rig.cli("task", "list", "--json", *arguments)
        assert listed.status == 0, listed.err
        return [task["task_id"] for task in listed.json["tasks"]]

    assert await ids("-l", "team=red") == ["t1", "t0"]
    assert await ids("-l", "team=red", "-l", "env=x") == ["t1"]
    assert await ids("--clone", "beta") == ["t2", "t1", "t0"]
    assert await ids("--clone", "delta") == []
    assert await ids("--since", between.isoformat()) == ["late"]
    assert await ids("--until", between.isoformat()) == ["t2", "t1", "t0"]
    assert await ids("--since", "1h") == ["late", "t2", "t1", "t0"]
    assert await ids("--until", "1h") == []


def test_workflows_leave_room_for_the_commands_that_they_may_wait_for() -> None:
    assert WORKFLOWS_AT_ONCE < OMEGA_CAPACITY


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("1.5m", NOW - timedelta(seconds=90)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-20T10:00Z", NOW - timedelta(hours=2)),
        ("2026-11-20T11:00+01:00", NOW - timedelta(hours=2)),
    ],
)
def test_points_in_time(text: str, meant: datetime) -> None:
    assert point_in_time(text, NOW, "--since") == meant


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2w", "999999999d", "2026-13-01", "ago", "2 ago"])
def test_what_is_no_point_in_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write how long ago"):
        point_in_time(text, NOW, "--until")
