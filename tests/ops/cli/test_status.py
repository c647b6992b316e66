"""`sanctuary status`, and real daemons started as people start them."""

import asyncio
import json
import os
import pty
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bus.errors import NoResponders
from bus.jetstream import StoredMessage, publish
from bus.ledger import entries
from bus.network import open_network
from bus.server import EmbeddedServer
from bus.subjects import INSTANCE_TYPE, Subjects
from clones.routing import DEFAULT_TABLE
from ops.status import ask
from schemas import (
    ErrorEscalation,
    InstanceChanged,
    Schedule,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    decode,
    encode,
)
from tests.bus.eventually import eventually
from tests.bus.rig import Rig, Runs
from tests.clones.omega.test_scheduled_runs import put_into_force
from tests.clones.omega.workflows.flows import definition, put, start
from tests.clones.omega.workflows.told import sleeps
from tests.clones.rig import ClonesRig
from tests.ops.rig import SANCTUARY, WITHIN_S, Ended, OpsRig

Word = Literal["up", "suspect", "dead"]
SAID_OF_ONE_THAT_IS_BACK: tuple[Word, ...] = ("up", "suspect", "dead", "up")
CLONES = ("beta", "gamma", "delta", "sigma")


async def test_nobody_answers(ops_rig: OpsRig) -> None:
    shown = await ops_rig.cli("status")
    as_json = await ops_rig.cli("status", "--json")
    assert shown.status == as_json.status == 1
    assert "Nobody answers: neither Omega nor a clone runs on this network." in shown.out
    assert as_json.json["instances"] == []
    assert as_json.json["missing"] == ["omega", *CLONES]


async def test_who_is_there_who_is_missing_and_what_waits(ops_rig: OpsRig) -> None:
    bus = ops_rig.bus
    async with AsyncExitStack() as stack:
        for name in ("beta", "beta", "delta"):
            await stack.enter_async_context(ops_rig.clone(name, Runs()))

        async def ready() -> bool:
            return [answer.state for answer in await ask(bus.network)] == ["ready"] * 3

        await eventually(ready)
        assert isinstance(await bus.submitter.run("testing", TaskAssignment(), timeout_s=60), TaskCompletion)
        failing = TaskAssignment(params={"fail": "target_refused"})
        assert isinstance(await bus.submitter.run("testing", failing, timeout_s=60), TaskFailure)
        for priority in (None, "high", "high"):
            await bus.submitter.submit("documentation", TaskAssignment(), priority=priority)
        await told(bus, "gamma-1", "dead")
        await told(bus, "sigma-1", "suspect")
        for word in SAID_OF_ONE_THAT_IS_BACK:
            await told(bus, "sigma-2", word)

        async def all_is_told() -> bool:
            # On a busy machine one of them may not answer in time, and the server counts what waits a little later.
            nonlocal shown, as_json
            shown = await ops_rig.cli("status")
            as_json = (await ops_rig.cli("status", "--json")).json
            wanted = (
                ("\tready\t", 3),
                ("50.0% of 2", 1),
                ("documentation\thigh\t2\t0", 1),
                ("documentation\tlow\t1\t0", 1),
            )
            waiting = sum(each["waiting"] for each in as_json["queues"])
            in_words = all(shown.out.count(words) == count for words, count in wanted)
            return in_words and (len(as_json["instances"]), waiting) == (3, 3)

        shown = Ended(1, "", "")
        as_json: Any = None
        await eventually(all_is_told, within_s=60)

    assert shown.status == 0
    rows = [line.split("\t") for line in shown.out.splitlines()]
    columns = next(row for row in rows if row[0] == "instance")
    instances = [dict(zip(columns, row, strict=True)) for row in rows if len(row) == len(columns) and row != columns]
    assert [row["instance"].partition("-")[0] for row in instances] == ["beta", "beta", "delta"]
    assert {(row["state"], row["health"], row["tasks"]) for row in instances} == {("ready", "ok", "0/4")}
    assert [row["success"] for row in instances] == ["-", "-", "50.0% of 2"]
    covered = {
        name: ", ".join(task_type for task_type, route in DEFAULT_TABLE.routes.items() if name in route.fallback)
        for name in ("beta", "delta")
    }
    assert {row["falls back for"] for row in instances} == set(covered.values())
    assert "Nobody answers as omega, gamma, sigma." in shown.out
    assert ["documentation", "high", "2", "0"] in [row[:4] for row in rows]
    assert ["documentation", "low", "1", "0"] in [row[:4] for row in rows]
    assert not any(line != line.strip() or "─" in line for line in shown.out.splitlines())
    missed = [line.partition(" for ")[0] for line in shown.out.splitlines() if "-1: " in line]
    assert missed == ["sigma-1: suspect", "gamma-1: dead"]
    (delta,) = [each for each in as_json["instances"] if each["clone"] == "delta"]
    assert (delta["succeeded"], delta["failed"], delta["in_flight"], delta["capacity"]) == (1, 1, 0, 4)
    assert delta["pid"] == os.getpid()
    assert delta["server_version"].count(".") == 2
    assert len(as_json["instances"]) == 3
    assert [each["instance"] for each in as_json["missed"]] == ["gamma-1", "sigma-1"]
    (high,) = [each for each in as_json["queues"] if (each["task_type"], each["priority"]) == ("documentation", "high")]
    assert (high["waiting"], high["taken"]) == (2, 0)
    assert high["oldest_s"] > 0


async def test_the_dead_are_one_line_a_clone_where_another_one_is_up(ops_rig: OpsRig) -> None:
    async with ops_rig.clone("beta", Runs()):
        for number in range(12):
            await told(ops_rig.bus, f"beta-{number}", "dead")
        await told(ops_rig.bus, "beta-99", "suspect")
        await told(ops_rig.bus, "gamma-1", "dead")

        async def up() -> bool:
            return [answer.clone for answer in await ask(ops_rig.bus.network)] == ["beta"]

        await eventually(up)

        async def answers() -> bool:
            nonlocal lines, missed
            lines = (await ops_rig.cli("status")).out.splitlines()
            told = (await ops_rig.cli("status", "--json")).json
            missed = told["missed"]
            return any("\tready\t" in line for line in lines) and len(told["instances"]) == 1

        lines: list[str] = []
        missed: list[Any] = []
        # On a busy machine it may not answer in time.
        await eventually(answers)
    assert "beta: 12 ended without a word in the last hour; --json names them." in lines
    assert [line.partition(" for ")[0] for line in lines if " for " in line and ": " in line] == [
        "gamma-1: dead",
        "beta-99: suspect",
    ]
    assert len(missed) == 14


async def told(bus: Rig, instance: str, state: Word) -> None:
    """Say of an instance what Omega says."""
    clone = instance.partition("-")[0]
    change = InstanceChanged(clone=clone, instance=instance, state=state, at=datetime.now(UTC), told_by="omega-1")
    await publish(bus.network.requester, bus.subjects.event("instance", instance), encode(change))


async def test_what_runs_is_not_what_waits(ops_rig: OpsRig) -> None:
    async with ops_rig.clone("gamma", Runs(), capacity=1):
        for _ in range(3):
            await ops_rig.bus.submitter.submit("architecture", TaskAssignment(params={"sleep_s": 600}))

        async def shown() -> bool:
            lines = (await ops_rig.cli("status")).out.splitlines()
            return ["architecture", "high", "2", "1"] in [line.split("\t")[:4] for line in lines]

        await eventually(shown)


async def test_a_canary_is_told_from_the_others(ops_rig: OpsRig) -> None:
    async with ops_rig.clone("gamma", Runs(), share=0.07):

        async def shown() -> bool:
            return "\tready, canary 7%\t" in (await ops_rig.cli("status")).out

        await eventually(shown)


async def test_the_help_keeps_its_lines(ops_rig: OpsRig) -> None:
    said = (await ops_rig.cli("status", "--help")).out
    assert "\\b" not in said
    assert "  tasks    how many run, of how many that may run at once" in said.splitlines()


async def test_watch_renews(ops_rig: OpsRig) -> None:
    process = await ops_rig.start("status", "--watch", "--json")
    assert process.stdout is not None
    for _ in range(2):
        line = await asyncio.wait_for(process.stdout.readline(), WITHIN_S)
        assert json.loads(line)["instances"] == []
    process.send_signal(2)
    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 130


async def test_watch_on_a_terminal_puts_it_back(ops_rig: OpsRig) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        SANCTUARY,
        *("status", "-w"),
        env={**ops_rig.environment, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while b"Nobody answers" not in seen:
        seen += await asyncio.to_thread(os.read, ours, 65536)
    process.send_signal(2)
    while b"\x1b[?1049l" not in seen:  # back from the alternate screen
        seen += await asyncio.to_thread(os.read, ours, 65536)
    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 130
    os.close(ours)
    assert b"\x1b[?1049h" in seen


@asynccontextmanager
async def daemon(server: EmbeddedServer, log: Path, *arguments: str | Path) -> AsyncIterator[None]:
    """A daemon as people start it, on the server's own store; it must drain and end well."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            SANCTUARY,
            *arguments,
            *("--store", server.options.store, "--metrics-port", "0"),
            env={name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "SANCTUARY_"))},
            stdin=asyncio.subprocess.DEVNULL,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        status = await asyncio.wait_for(process.wait(), WITHIN_S)
    assert status == 0, await asyncio.to_thread(log.read_text)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  an http URL of this machine
        body: bytes = answer.read()
        return body.decode()


async def test_real_daemons_and_their_metrics(ops_rig: OpsRig, server: EmbeddedServer, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "code.py").write_text('"""Documented."""\n')
    environment = {name: value for name, value in ops_rig.environment.items() if name != "SANCTUARY_REALM"}
    rig = OpsRig(ops_rig.bus, server)
    rig.environment = environment
    async with (
        daemon(server, tmp_path / "omega.log", "omega"),
        daemon(server, tmp_path / "sigma.log", "clone", "sigma", "--workspace", tmp_path),
    ):

        async def both_are_ready() -> bool:
            nonlocal status
            status = (await rig.cli("status", "--json")).json
            return [each["state"] for each in status["instances"]] == ["ready", "ready"]

        async def all_is_counted() -> bool:
            texts = {each["clone"]: await asyncio.to_thread(read, each["metrics_url"]) for each in status["instances"]}
            return all(lines <= set(texts[clone].splitlines()) for clone, lines in wanted.items())

        status: dict[str, Any] = {}
        await eventually(both_are_ready, within_s=60)
        done = await rig.cli("call", "documentation", "-t", tmp_path / "project", "--json")
        refused = await rig.cli("call", "documentation", "-t", "/etc", "--json")
        listed = (await rig.cli("task", "list", "--json")).json["tasks"]
        labels = 'clone="omega",priority="low",state="waiting",task_type="documentation"'
        wanted = {
            "omega": {
                'sanctuary_connected{clone="omega"} 1.0',
                f"sanctuary_queue_tasks{{{labels}}} 0.0",
                'sanctuary_instances{clone="omega",state="up"} 2.0',
            },
            "sigma": {
                f'sanctuary_tasks_total{{clone="sigma",outcome="{outcome}",task_type="documentation"}} 1.0'
                for outcome in ("completed", "failed")
            },
        }
        # Queues and instances are counted now and then.
        await eventually(all_is_counted)
    assert (done.status, refused.status, refused.json["code"]) == (0, 1, "target_refused")
    assert sorted(task["state"] for task in listed) == ["completed", "failed"]
    assert status["missing"] == ["beta", "gamma", "delta"]


async def test_one_that_is_killed_is_told_of_as_dead(ops_rig: OpsRig, server: EmbeddedServer, tmp_path: Path) -> None:
    rig = OpsRig(ops_rig.bus, server)
    rig.environment = {name: value for name, value in ops_rig.environment.items() if name != "SANCTUARY_REALM"}
    victim = await asyncio.create_subprocess_exec(
        SANCTUARY,
        *("clone", "gamma", "--store", server.options.store, "--workspace", tmp_path),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    subjects = Subjects("sanctuary")
    async with (
        daemon(server, tmp_path / "omega.log", "omega"),
        open_network(server.settings_for("operator"), subjects, name="test") as network,
    ):

        async def is_known_to_omega() -> bool:
            try:
                stored = [entry async for entry in entries(network, subjects.event(INSTANCE_TYPE, "*"))]
            except NoResponders:
                return False  # it has not made the ledger yet
            return any(decode(InstanceChanged, entry.data).clone == "gamma" for entry in stored)

        async def is_told_of() -> bool:
            shown = (await rig.cli("status")).out
            return ": dead for " in shown and "Nobody answers as beta, gamma, delta, sigma." in shown

        async def is_escalated() -> bool:
            nonlocal stored
            stored = [entry async for entry in entries(network, subjects.escalation("high", "gamma"))]
            return bool(stored)

        # It answers for itself before Omega has heard a heartbeat of it, and nobody misses whom nobody knew.
        await eventually(is_known_to_omega, within_s=60)
        victim.kill()
        await victim.wait()
        await eventually(is_told_of, within_s=60)
        stored: list[StoredMessage] = []
        await eventually(is_escalated)
    escalations: list[ErrorEscalation] = [decode(ErrorEscalation, entry.data) for entry in stored]
    assert [told.code for told in escalations] == ["clone_absent"]
    assert "Meanwhile architecture" in escalations[0].message
    assert escalations[0].message.endswith("until one starts")


async def test_a_taken_metrics_port_ends_the_daemon_in_words(server: EmbeddedServer, tmp_path: Path) -> None:
    blocker = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = blocker.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        SANCTUARY,
        *("omega", "--store", server.options.store, "--metrics-port", str(port)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), WITHIN_S)
    blocker.close()
    await blocker.wait_closed()
    assert process.returncode == 1
    assert f"metrics cannot be served on 127.0.0.1:{port}" in said.decode()
    assert "Traceback" not in said.decode()


async def test_as_anybody_the_queues_are_closed(ops_rig: OpsRig, server: EmbeddedServer) -> None:
    rig = OpsRig(ops_rig.bus, server)
    rig.environment = {name: value for name, value in ops_rig.environment.items() if name in ("PATH", "HOME")}
    ended = await rig.cli("status", "-s", server.url)
    assert ended.status == 1
    assert "The queues cannot be read: " in ended.out
    assert len(ended.err.splitlines()) == 1, "refused once, and not for each queue"


async def test_runs_of_workflows_and_schedules(ops_rig: OpsRig, tmp_path: Path) -> None:
    rig = ClonesRig(ops_rig.bus, tmp_path)
    asks = definition({"ask": {"decision": {}}}, name="asks")
    rests = definition({"rest": {"wait": {"for_s": 3600}}}, name="rests")
    await put(rig, asks, rests)
    assert "No workflow runs." in (await ops_rig.cli("status")).out.splitlines()
    async with rig.omega():
        await start(rig, "asks", "asking")
        await start(rig, "rests", "resting")
        for workflow_id in ("asking", "resting"):
            await eventually(sleeps(rig, workflow_id))
        await put_into_force(rig, "nightly", Schedule(workflow="rests", cron="30 2 * * *"))
        await put_into_force(rig, "off", Schedule(workflow="asks", every_s=3600.0, paused=True))
    await start(rig, "asks", "nobody-takes-it")

    async def is_counted() -> bool:
        nonlocal shown, as_json
        shown = (await ops_rig.cli("status")).out.splitlines()
        as_json = (await ops_rig.cli("status", "--json")).json
        return bool(as_json["runs"] == counts) and in_words in shown

    counts = {"waiting": 1, "active": 0, "asleep": 2, "awaiting_decision": 1}
    in_words = (
        "Workflows: 0 active, 1 to be taken up, 2 asleep, 1 of them for a decision "
        "(sanctuary workflow list --state waiting)."
    )
    shown: list[str] = []
    as_json: Any = None
    # The server counts what waits a little later than it stores it.
    await eventually(is_counted)
    nightly, off = as_json["schedules"]
    assert (nightly["name"], nightly["state"], nightly["workflow"]) == ("nightly", "on", "rests")
    assert nightly["next_at"].endswith("T02:30:00Z")
    assert (off["state"], off["next_at"], off["last_state"]) == ("paused", None, None)
    rows = [line.split("\t") for line in shown]
    assert ["off", "paused", "asks", "-", "-"] in [row[:5] for row in rows]
