"""`sanctuary routes` as people run it, with a real Omega."""

import asyncio
import contextlib
import json
import os
import pty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace
from nats.aio.msg import Msg

from bus.routes import in_force
from clones.routing import DEFAULT_TABLE
from ops.table_file import read_table
from ops.table_text import write_table
from schemas import Route, RoutingTable, encode
from tests.bus.eventually import eventually
from tests.bus.rig import Runs
from tests.clones.rig import TABLE, ClonesRig, put_table
from tests.clones.statuses import status_of
from tests.ops.rig import WITHIN_S, Ended, OpsRig

NOBODY = "nobody serves it: beta cannot serve it; its tasks wait"
LONGER = replace(TABLE, routes={**TABLE.routes, "testing": replace(TABLE.routes["testing"], timeout_s=90)})


@pytest_asyncio.fixture
async def rig(ops_rig: OpsRig) -> OpsRig:
    """With a table of which everything is known."""
    await put_table(ops_rig.bus.network, TABLE, base_revision=1)
    return ops_rig


@asynccontextmanager
async def omega(rig: OpsRig, directory: Path) -> AsyncIterator[None]:
    """An Omega that is ready."""
    async with ClonesRig(rig.bus, directory).omega():
        await rig.ready("omega")
        yield


async def set_until(rig: OpsRig, file: Path, err: list[str], last: str, *options: str) -> Ended:
    """Put a file's table into force until the command says this, and return that; between two times it is taken back.

    On a busy machine somebody may not answer in the time that the command waits for answers.
    """

    async def said() -> bool:
        nonlocal ended
        ended = await rig.cli("routes", "set", file, *options)
        assert ended.status == 0, ended.err
        if (ended.err.splitlines(), ended.out.splitlines()[-1]) == (err, last):
            return True
        assert (await rig.cli("routes", "rollback", "2")).status == 0
        return False

    ended = Ended(0, "", "")
    await eventually(said, within_s=WITHIN_S)
    return ended


def written(directory: Path, table: RoutingTable | str) -> Path:
    path = directory / "routes.toml"
    path.write_text(table if isinstance(table, str) else write_table(table))
    return path


async def table_in_force(rig: OpsRig) -> tuple[int, RoutingTable]:
    current = await in_force(rig.bus.network)
    assert current is not None
    return current.number, current.routes.table


async def test_show_in_a_pipe_is_a_file_that_can_be_set(rig: OpsRig) -> None:
    for arguments in ((), ("--toml",)):
        ended = await rig.cli("routes", "show", *arguments)
        assert (ended.status, ended.err) == (0, "")
        assert ended.out.startswith("# Routing table, revision 2, in force since 20")
        assert read_table(ended.out, "shown") == TABLE


async def test_show_as_json_has_every_setting(rig: OpsRig) -> None:
    shown = (await rig.cli("routes", "show", "--json")).json
    assert shown["revision"] == 2
    route = shown["table"]["routes"]["security"]
    assert (route["clone"], route["fallback"], route["when_exhausted"]) == ("beta", ["delta"], "fail")
    assert set(route) == set(Route.__struct_fields__)
    assert shown["table"]["weights"] == {"high": 8, "medium": 3, "low": 1}


async def test_show_on_a_terminal_is_a_table(rig: OpsRig) -> None:
    ours, theirs = pty.openpty()
    process = await rig.start("routes", "show", stdout=theirs)
    os.close(theirs)
    shown = (await asyncio.to_thread(everything, ours)).decode()
    assert await process.wait() == 0
    assert "security-analysis = security" in shown
    assert "weights: high 8, medium 3, low 1" in shown
    assert "revision 2, since " in shown


def everything(terminal: int) -> bytes:
    """All that is written to a terminal, until nobody has it open any more."""
    shown = b""
    # Then there is an error, and no end of a file.
    with os.fdopen(terminal, "rb", buffering=0) as read, contextlib.suppress(OSError):
        while part := read.read(65536):
            shown += part
    return shown


async def test_set_shows_the_difference_and_the_verdict(rig: OpsRig, tmp_path: Path) -> None:
    async with omega(rig, tmp_path):
        followed = "1 of the 1 instances that answer go by it."
        ended = await set_until(rig, written(tmp_path, LONGER), [], followed, "--reason", "slow tests")
        revision, _ = await table_in_force(rig)
        assert ended.out.splitlines() == [
            "routes.testing.timeout_s: 600 -> 90",
            f"Revision {revision} is in force; sanctuary routes rollback {revision - 1} takes it back.",
            followed,
        ]
        assert await table_in_force(rig) == (revision, LONGER)
        again = await rig.cli("routes", "set", tmp_path / "routes.toml")
        assert again.out == f"Nothing to change: revision {revision} is the same, and stays in force.\n"
        (newest, *_) = (await rig.cli("routes", "history", "--json")).json["revisions"]
    assert (newest["revision"], newest["reason"]) == (revision, "slow tests")
    assert newest["changes"] == ["routes.testing.timeout_s: 600 -> 90"]
    assert "@" in newest["by"]


async def test_rollback_and_history(rig: OpsRig, tmp_path: Path) -> None:
    async with omega(rig, tmp_path):
        assert (await rig.cli("routes", "set", written(tmp_path, LONGER))).status == 0
        back = await rig.cli("routes", "rollback", "2", "--json")
        assert back.json["output"] == {
            "revision": 4,
            "replaced": 3,
            "changes": ["routes.testing.timeout_s: 90 -> 600"],
        }
        assert await table_in_force(rig) == (4, TABLE)
        nowhere = await rig.cli("routes", "rollback", "9")
        assert (nowhere.status, nowhere.err) == (
            1,
            "sanctuary: there is no revision 9 (any more); there are 1, 2, 3, 4\n",
        )
        history = await rig.cli("routes", "history")
    rows = [line.split("\t") for line in history.out.splitlines()[1:]]
    assert [row[0].strip() for row in rows] == ["4", "3", "2", "1"]
    assert rows[0][3].strip() == "back to revision 2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[routes.security]\nclone = "beta"\ntimout_s = 3\n',
            "routes.toml:3: routes.security.timout_s: there is no such",
        ),
        ('[routes.workflow]\nclone = "beta"\n', "routes.toml:1: routes.workflow: workflow is a reserved word"),
        ("what?\n", "routes.toml:1: this is no TOML"),
        ("\udcff", "is no UTF-8 text"),
    ],
)
async def test_a_file_that_holds_no_table_is_refused_before_anything_is_sent(
    rig: OpsRig, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "routes.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    for command in ("set", "check"):
        ended = await rig.cli("routes", command, path)
        assert ended.status == 2
        assert said in ended.err
        assert "Traceback" not in ended.err
    assert await table_in_force(rig) == (2, TABLE)


async def test_standard_input_and_files_that_are_not_there(rig: OpsRig, tmp_path: Path) -> None:
    ended = await rig.cli("routes", "check", "-")  # nothing stands there
    assert (ended.status, ended.err.splitlines()[0]) == (
        2,
        "standard input: routes: there are none: every task would be refused",
    )
    ended = await rig.cli("routes", "set", tmp_path / "nothing.toml")
    assert (ended.status, ended.err) == (2, f"sanctuary: {tmp_path}/nothing.toml: No such file or directory\n")


async def test_without_an_omega_nothing_is_changed(rig: OpsRig, tmp_path: Path) -> None:
    ended = await rig.cli("routes", "set", written(tmp_path, LONGER))
    assert ended.status == 1
    assert "no Omega runs here (sanctuary omega), or these credentials may not command" in ended.err
    assert await table_in_force(rig) == (2, TABLE)


async def test_check_tells_who_is_missing_and_who_agrees(rig: OpsRig, tmp_path: Path) -> None:
    nobody = await rig.cli("routes", "check")
    assert nobody.status == 1
    assert "nobody serves it: no instance of gamma or sigma answers; its tasks wait" in nobody.out
    async with (
        rig.clone("beta", Runs()),
        rig.clone("delta", Runs()),
        rig.clone("gamma", Runs()),
        rig.clone("sigma", Runs()),
    ):

        async def agreed() -> bool:
            return (await rig.cli("routes", "check")).out == "The table and the clones agree.\n"

        async def agreed_as_json() -> bool:
            told = (await rig.cli("routes", "check", "--json")).json
            return bool(told == {"findings": [], "ok": True})

        async def only_the_new_one_is_missing() -> bool:
            ended = await rig.cli("routes", "check", file, "--json")
            return (ended.status, ended.json) == (1, {"findings": [missing], "ok": False})

        file = written(tmp_path, replace(TABLE, routes={**TABLE.routes, "translate": Route(clone="translator")}))
        missing = {
            "verdict": "wrong",
            "subject": "translate",
            "message": "nobody serves it: no instance of translator answers; its tasks wait",
        }
        # On a busy machine one of them may not answer in time.
        for comes_to_hold in (agreed, agreed_as_json, only_the_new_one_is_missing):
            await eventually(comes_to_hold)


async def test_what_a_clone_that_is_there_cannot_do_is_said_beforehand(rig: OpsRig, tmp_path: Path) -> None:
    own = {"ocr": Route(clone="beta"), "scan": Route(clone="gama")}
    file = written(tmp_path, replace(TABLE, routes={**TABLE.routes, **own}))
    async with omega(rig, tmp_path), rig.clone("beta", Runs()):

        async def seen() -> bool:
            found = (await rig.cli("routes", "check", file, "--json")).json["findings"]
            return {"verdict": "wrong", "subject": "ocr", "message": NOBODY} in found

        await eventually(seen)
        doubts = [
            "warning: ocr: beta cannot serve it: it has no handler",
            "note: scan: no instance of gama (did you mean gamma?) answers",
        ]
        # Right after it nobody goes by an older table.
        await set_until(rig, file, doubts, "2 of the 2 instances that answer go by it.")
        assert "goes by routing table" not in (await rig.cli("routes", "check")).out


async def test_set_names_who_does_not_follow(rig: OpsRig, tmp_path: Path) -> None:
    async with omega(rig, tmp_path):
        stuck = status_of("beta", routes_revision=2)
        network = rig.bus.network

        async def answer(message: Msg) -> None:
            await message.respond(encode(stuck))

        await network.client.subscribe(network.subjects.status(), cb=answer)
        late = ["Not by it yet, after 3 s: beta-1 (by 2)"]
        await set_until(rig, written(tmp_path, LONGER), late, "1 of the 2 instances that answer go by it.")


async def test_check_of_a_file_needs_no_network(rig: OpsRig, tmp_path: Path) -> None:
    rig.environment = {"PATH": rig.environment["PATH"], "SANCTUARY_STORE": str(tmp_path / "store")}
    ended = await rig.cli("routes", "check", written(tmp_path, DEFAULT_TABLE))
    assert ended.status == 0
    assert "only the file was looked at: no network runs on" in ended.out
    assert (await rig.cli("routes", "check")).status == 1


async def test_aliases_and_types_of_the_table_in_force_are_submitted(rig: OpsRig, tmp_path: Path) -> None:
    own = replace(TABLE, aliases={"tr": "translate"}, routes={**TABLE.routes, "translate": Route(clone="translator")})
    async with omega(rig, tmp_path):
        assert (await rig.cli("routes", "set", written(tmp_path, own))).status == 0
        # No parameters of it are known here.
        submitted = await rig.cli("submit", "tr", "--json", "-p", json.dumps({"text": "hello"}))
        assert submitted.json["task_type"] == "translate"
        gone = await rig.cli("submit", "security-analysis", "-t", tmp_path)
    assert gone.status == 2
    assert "no clone serves 'security-analysis'. Known: security, performance, architecture, testing" in gone.err
    assert "translate (also tr)" in gone.err
