"""`sanctuary audit replay` and `sanctuary audit check`, as people run them."""

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import CliRunner

from bus.jetstream import publish
from bus.server import EmbeddedServer
from ops.cli.audit_replay import replay
from schemas import TaskAssignment
from tests.bus.eventually import eventually
from tests.clones.rig import ClonesRig
from tests.ops.replaying.scene import realm
from tests.ops.rig import OpsRig

TASKS = 5


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def recorded(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClonesRig]:
    """A realm in which some tasks have ended."""
    async with realm(server, tmp_path_factory.mktemp("work")) as rig:
        for number in range(TASKS):
            await rig.submitter.submit("testing", TaskAssignment(id=f"t{number}", params={"value": number}))
            await rig.submitter.result("testing", f"t{number}", timeout_s=60)
        await copied(rig, TASKS)
        yield rig


async def copied(rig: ClonesRig, count: int) -> None:
    """Return once the ledger has its copies of so many results: what is read there has ended then."""

    async def are() -> bool:
        return len(await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.every("result"))) == count

    await eventually(are)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_report_is_left_and_the_status_tells(
    server: EmbeddedServer, tmp_path: Path, recorded: ClonesRig
) -> None:
    cli = OpsRig(recorded.bus, server)
    async with realm(server, tmp_path) as target:
        wanted = ("audit", "replay", "--into", target.subjects.realm, "--since", "1h", "--speed", "max")
        nothing = await cli.cli(*wanted, "--until", "59m")
        ended = await cli.cli(*wanted, "--output", tmp_path / "out")
    assert (nothing.status, nothing.out.splitlines()[-1]) == (1, "Nothing was recorded that could be driven once more.")
    assert ended.status == 0, ended.err
    assert f"Equal outcomes: {TASKS} equal." in ended.out
    told = json.loads((tmp_path / "out" / "replay.json").read_text())
    assert (told["equal"], told["counts"], len(told["rows"])) == (True, {"equal": TASKS}, TASKS)
    markdown = (tmp_path / "out" / "replay.md").read_text()
    assert f"# Replay of {recorded.subjects.realm} into {target.subjects.realm}\n" in markdown
    page = (tmp_path / "out" / "replay.html").read_text()
    assert "http" not in page and "<script" not in page
    other: dict[str, object] = {"value": "<b>|"}
    async with realm(server, tmp_path, lambda task: other) as target:
        changed = ("audit", "replay", "--into", target.subjects.realm, "--task", "t1", "--output", tmp_path / "out")
        ended = await cli.cli(*changed)
    assert ended.status == 3, ended.err
    assert "The outcomes differ: 1 different." in ended.out
    assert '$.output.value: 1 → "<b>|"' in ended.out
    assert "<b>" not in (tmp_path / "out" / "replay.html").read_text()


@pytest.mark.asyncio(loop_scope="module")
async def test_killed_in_the_middle_it_goes_on(server: EmbeddedServer, tmp_path: Path, recorded: ClonesRig) -> None:
    cli = OpsRig(recorded.bus, server)
    async with realm(server, tmp_path) as target:
        subject = target.subjects.task("testing")
        wanted = ("audit", "replay", "--into", target.subjects.realm, "--since", "1h", "--json")
        # So slow that it cannot have ended.
        process = await cli.start(*wanted, "--speed", "0.000001")

        async def begun() -> bool:
            return len(await target.bus.in_stream(target.subjects.ledger, subject)) == 1

        await eventually(begun)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        ended = await cli.cli(*wanted, "--speed", "max")
        stored = await target.bus.in_stream(target.subjects.ledger, subject)
    assert ended.status == 0, ended.err
    assert (ended.json["counts"], len(stored)) == ({"equal": TASKS}, TASKS)
    assert ended.json["notes"] == [
        "1 of the submissions stood in the target already, from an earlier run of this replay"
    ]


MISUSED: dict[tuple[str, ...], str] = {
    ("--since", "1h"): "Missing option '--into'",
    ("--into", "other"): "say what is to be driven once more",
    ("--into", "other", "--since", "1h", "--task", "x"): "say what is to be driven once more",
    ("--into", "other", "--since", "1x"): "--since '1x' is no time",
    ("--into", "other", "--since", "1h", "--speed", "0"): "is no speed",
    ("--into", "other", "--since", "1h", "--speed", "nan"): "is no speed",
    ("--into", "other", "--since", "1h", "--speed", "inf"): "is no speed",
}


@pytest.mark.parametrize("arguments", MISUSED)
def test_misuse_is_told_in_one_line(arguments: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(replay, arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert MISUSED[arguments] in ended.stderr


@pytest.mark.asyncio(loop_scope="module")
async def test_the_check_names_the_entry_that_does_not_fit(server: EmbeddedServer, tmp_path: Path) -> None:
    async with realm(server, tmp_path) as rig:
        cli = OpsRig(rig.bus, server)
        await rig.submitter.submit("testing", TaskAssignment(id="t"))
        await rig.submitter.result("testing", "t", timeout_s=60)
        await copied(rig, 1)
        forged = await publish(
            rig.network.requester,
            rig.subjects.event("testing", "never"),
            b'{"type":"TaskStarted","task_id":"never","task_type":"testing","clone":"delta","instance":"d","attempt":1,'
            b'"at":"2026-01-01T00:00:00Z","sequence":1}',
        )
        ended = await cli.cli("audit", "check", "--json")
    # The routing table of this realm was put into force without a command.
    assert ended.status == 3
    told = ended.json
    assert [(each["rule"], each["sequence"]) for each in told["findings"]] == [("no_task", forged.seq), ("routes", 0)]
    assert told["findings"][0]["message"] == "TaskStarted of a task that was never submitted"
    assert (told["whole"], told["first"]) == (False, 1)
