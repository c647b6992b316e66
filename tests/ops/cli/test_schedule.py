"""`sanctuary schedule` as people run it, with a real Omega."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from bus.schedules import standing
from bus.subjects import WORKFLOW_TYPE
from schemas import ScheduleInForce, WorkflowStart, decode
from tests.bus.eventually import eventually
from tests.clones.rig import ClonesRig
from tests.ops.rig import OpsRig


@pytest_asyncio.fixture
async def rig(ops_rig: OpsRig, tmp_path: Path) -> AsyncIterator[OpsRig]:
    """With an Omega."""
    async with ClonesRig(ops_rig.bus, tmp_path).omega():
        await ops_rig.ready("omega")
        yield ops_rig


async def record(rig: OpsRig, name: str) -> ScheduleInForce | None:
    found = await standing(rig.bus.network, name)
    return None if found is None else found.record


async def test_from_adding_to_removing(rig: OpsRig, tmp_path: Path) -> None:
    cron = ("--cron", "30 2 * * MON-FRI", "--timezone", "Europe/Berlin")
    more = ("-l", "team=a", "--overlap", "buffer_one", "--catch-up", "2h", "--reason", "less noise")
    added = await rig.cli("schedule", "add", "nightly", "review", "-t", tmp_path, *cron, *more)
    assert (added.status, added.err) == (0, "")
    assert added.out.startswith("done: the schedule nightly starts review, cron 30 2 * * MON-FRI Europe/Berlin; next ")
    kept = await record(rig, "nightly")
    assert kept is not None
    assert (kept.schedule.input, kept.schedule.labels) == ({"target": str(tmp_path)}, {"team": "a"})
    assert (kept.schedule.overlap, kept.schedule.catch_up_s, kept.reason) == ("buffer_one", 7200.0, "less noise")

    shown = (await rig.cli("schedule", "show", "nightly", "--json")).json
    assert (shown["name"], shown["state"], shown["last"], len(shown["next"])) == ("nightly", "on", None, 5)
    assert shown["schedule"]["timezone"] == "Europe/Berlin"
    rig.environment = {**rig.environment, "TZ": "Asia/Tokyo"}
    out = (await rig.cli("schedule", "show", "nightly")).out
    assert re.search(r"  next         [-\d :]+:30:00 JST\n", out), out
    assert "  when         cron 30 2 * * MON-FRI Europe/Berlin\n  overlap      buffer_one\n  catches up   2h00m" in out

    paused = await rig.cli("schedule", "pause", "nightly", "--reason", "holidays")
    assert (paused.status, paused.out.endswith("; paused\n")) == (0, True)
    again = await rig.cli("schedule", "pause", "nightly")
    assert (again.status, again.err) == (1, "sanctuary: the schedule nightly is paused already\n")
    listed = (await rig.cli("schedule", "list")).out.splitlines()
    assert listed[0].split("\t") == ["name", "state", "workflow", "when", "next", "last run", ""]
    assert listed[1].split("\t")[:5] == ["nightly", "paused", "review", "cron 30 2 * * MON-FRI Europe/Berlin", "-"]
    assert (await rig.cli("schedule", "resume", "nightly")).status == 0
    assert (await rig.cli("schedule", "list", "--json")).json["schedules"][0]["state"] == "on"

    removed = await rig.cli("schedule", "remove", "nightly")
    assert (removed.status, await record(rig, "nightly")) == (0, None)
    assert "There are no schedules" in (await rig.cli("schedule", "list")).out
    missing = await rig.cli("schedule", "show", "nightly")
    assert (missing.status, missing.err) == (
        1,
        "sanctuary: there is no schedule nightly; `sanctuary schedule list` shows all\n",
    )


async def test_a_run_begins_and_is_shown(rig: OpsRig, tmp_path: Path) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    added = await rig.cli("schedule", "add", "once", "review", "-t", tmp_path, "--at", at)
    assert added.status == 0, added.err

    async def has_begun() -> bool:
        return len(await rig.bus.in_stream(rig.bus.subjects.ledger, rig.bus.subjects.workflow("review"))) == 1

    await eventually(has_begun)
    (message,) = await rig.bus.in_stream(rig.bus.subjects.ledger, rig.bus.subjects.workflow("review"))
    start: WorkflowStart = decode(WorkflowStart, message.data)

    async def is_over() -> bool:
        shown = (await rig.cli("schedule", "show", "once", "--json")).json
        return (shown["state"], shown["next"], shown["last"] and shown["last"]["id"]) == ("over", [], start.id)

    # That it has begun is noted after it has.
    await eventually(is_over)
    assert start.labels == {"schedule": "once"}
    cancelled = await rig.cli("task", "cancel", str(start.id))
    assert cancelled.status == 0, cancelled.out
    await eventually(lambda: _is_over(rig, str(start.id)))
    told = await rig.cli("schedule", "show", "once")
    assert f"  last run     {start.id} cancelled, due " in told.out
    assert f"sanctuary workflow show {start.id}" in told.err


async def _is_over(rig: OpsRig, run_id: str) -> bool:
    return await rig.bus.network.results.read(WORKFLOW_TYPE, run_id) is not None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("review", "-t", "."), "say when: one of --cron, --every and --at"),
        (("review", "-t", ".", "--every", "5m", "--at", "2h"), "say when"),
        (("review", "-t", ".", "--every", "soon"), "--every 'soon' is no length of time: write 90s, 15m, 2h or 3d"),
        (("review", "-t", ".", "--at", "soon"), "--at 'soon' is no time: write in how long, such as 90s"),
        (
            ("review", "-t", ".", "--cron", "61 * * * *"),
            "sanctuary: --cron: '61 * * * *' is no cron expression: Bad minute",
        ),
        (
            ("review", "-t", ".", "--cron", "* * * * *", "--timezone", "Mars"),
            "sanctuary: --timezone: 'Mars' is no time zone",
        ),
        (("review", "-t", ".", "--every", "0.5s"), "sanctuary: --every: Expected `float` >= 1.0\n"),
        (("review", "-t", ".", "--every", "5m", "--timezone", "Mars"), "--timezone: --timezone goes with --cron\n"),
        (("review", "-t", ".", "--every", "5m", "--catch-up", "999d"), "--catch-up: Expected `float` <= 31536000.0\n"),
        (
            ("review", "-t", ".", "--at", "2020-01-01T00:00Z"),
            "--at: 2020-01-01 00:00:00 UTC is past: write a later time, or a longer --catch-up\n",
        ),
        (("nothing", "--every", "5m"), "nothing"),
        (("review", "--every", "5m"), "target"),
    ],
    ids=str,
)
async def test_what_cannot_be_kept_is_told_before_it_is_sent(
    ops_rig: OpsRig, arguments: tuple[str, ...], problem: str
) -> None:
    ended = await ops_rig.cli("schedule", "add", "wrong", *arguments)
    assert problem in ended.err
    assert ended.status == 2
    assert "Traceback" not in ended.err


async def test_names(rig: OpsRig, tmp_path: Path) -> None:
    ended = await rig.cli("schedule", "add", "No Name", "review", "--every", "5m")
    assert (ended.status, "is no name of a schedule" in ended.err) == (2, True)
    first = await rig.cli("schedule", "add", "often", "review", "-t", tmp_path, "--every", "90m", "--paused", "--json")
    assert first.json["output"]["name"] == "often"
    second = ("schedule", "add", "often", "review", "-t", tmp_path, "--every", "2h")
    ended = await rig.cli(*second)
    assert (ended.status, "--replace puts this one in its place" in ended.err) == (1, True)
    assert (await rig.cli(*second, "--replace")).status == 0
    kept = await record(rig, "often")
    assert kept is not None
    assert (kept.schedule.every_s, kept.schedule.paused) == (7200.0, False)


async def test_without_omega_a_command_is_stored(ops_rig: OpsRig, tmp_path: Path) -> None:
    wanted = ("schedule", "add", "later", "review", "-t", tmp_path, "--every", "1h")
    ended = await ops_rig.cli(*wanted)
    assert (ended.status, "With --no-wait the command is stored" in ended.err) == (1, True)
    ended = await ops_rig.cli(*wanted, "--no-wait")
    assert ended.status == 0
    assert "sanctuary schedule show later tells what came of it." in ended.err
    async with ClonesRig(ops_rig.bus, tmp_path).omega():
        await eventually(lambda: _is_there(ops_rig, "later"))


async def _is_there(rig: OpsRig, name: str) -> bool:
    return await record(rig, name) is not None
