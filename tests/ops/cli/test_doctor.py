"""`sanctuary doctor`: it says what is wrong and what to do, and exits so that scripts notice."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bus import buckets
from bus.definitions import create
from bus.jetstream import api, publish
from bus.server import EmbeddedServer
from clones.routing import DEFAULT_TABLE, types_by_clone
from ops.doctor import installation
from ops.doctor.installation import disk, lock, packages, python, requirements
from ops.doctor.network import buckets_check, streams_check, workflows_check
from ops.status import ask
from schemas import Step, WorkflowDefinition, WorkflowInForce, encode
from tests.bus.eventually import eventually
from tests.bus.rig import Runs
from tests.ops.rig import OpsRig


def by_name(answer: Any) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in answer["checks"]}


async def test_a_network_with_everybody_there(ops_rig: OpsRig) -> None:
    async with AsyncExitStack() as stack:
        for name in ("omega", *types_by_clone(DEFAULT_TABLE)):
            await stack.enter_async_context(ops_rig.clone(name, Runs()))

        async def all_there() -> bool:
            return len(await ask(ops_rig.bus.network)) == 5

        async def nothing_wrong() -> bool:
            nonlocal ended
            ended = await ops_rig.cli("doctor", "--json")
            return bool(ended.json["ok"])

        await eventually(all_there)
        ended = await ops_rig.cli("doctor", "--json")
        # On a busy machine one of them may not answer in time.
        await eventually(nothing_wrong, within_s=60)
    checks = by_name(ended.json)
    assert [name for name, check in checks.items() if check["verdict"] == "wrong"] == []
    assert ended.status == 0
    for name in (
        "python",
        "packages",
        "nats-server",
        "gitleaks",
        "server",
        "JetStream",
        "streams",
        "clock",
        "clones",
        "routes",
        "buckets",
        "workflows",
    ):
        assert name in checks


async def test_clones_that_are_missing_are_wrong(ops_rig: OpsRig) -> None:
    ended = await ops_rig.cli("doctor")
    assert ended.status == 1
    (line,) = [line for line in ended.out.splitlines() if line.split()[1] == "clones"]
    assert line.startswith("wrong clones")
    assert "omega, beta, gamma, delta, sigma" in line
    assert "sanctuary clone beta" in ended.out
    (line,) = [line for line in ended.out.splitlines() if line.split()[1] == "routes"]
    assert line.startswith("wrong routes")
    assert "documentation: nobody serves it: no instance of sigma or gamma answers; its tasks wait" in line


async def test_a_server_that_is_named_and_not_there_is_wrong_and_said_once(ops_rig: OpsRig) -> None:
    ended = await ops_rig.cli("doctor", "-s", "nats://127.0.0.1:9")
    assert ended.status == 1
    assert ended.err == ""
    (line,) = [line for line in ended.out.splitlines() if line.split()[1] == "server"]
    assert line.startswith("wrong server")
    assert "nobody listens there" in line


async def test_streams_that_differ_or_are_missing(ops_rig: OpsRig) -> None:
    network, subjects = ops_rig.bus.network, ops_rig.bus.subjects
    assert (await streams_check(network)).verdict == "ok"

    consumer = subjects.consumer("security", "low")
    await api(network.requester, f"CONSUMER.DELETE.{subjects.ledger}.{consumer}")
    check = await streams_check(network)
    assert (check.verdict, check.found) == ("wrong", f"missing: {consumer}")

    config = (await api(network.requester, f"STREAM.INFO.{subjects.ledger}"))["config"]
    await api(network.requester, f"STREAM.UPDATE.{subjects.ledger}", {**config, "max_bytes": 10_000_000})
    assert "max_bytes" not in (await streams_check(network)).found, "an installation's own choice"
    await api(network.requester, f"STREAM.UPDATE.{subjects.ledger}", {**config, "discard": "old"})
    check = await streams_check(network)
    assert (check.verdict, check.found) == ("wrong", f"{subjects.ledger}.discard: is 'old', should be 'new'")


async def test_buckets_that_are_missing(ops_rig: OpsRig) -> None:
    network, subjects = ops_rig.bus.network, ops_rig.bus.subjects
    assert (await buckets_check(network)).verdict == "ok"
    await api(network.requester, f"STREAM.DELETE.KV_{subjects.sleepers}")
    check = await buckets_check(network)
    assert (check.verdict, check.found) == ("wrong", f"missing: {subjects.sleepers}")


async def test_workflows_that_ask_for_what_nobody_does(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    assert (await workflows_check(network)).verdict == "ok"
    flow = WorkflowDefinition(name="flow", steps={"one": Step(task="juggling"), "two": Step(workflow="gone")})
    await create(network, WorkflowInForce(definition=flow, version=1, at=datetime.now(UTC)))
    check = await workflows_check(network)
    assert check.verdict == "wrong"
    assert "flow: steps.one" in check.found
    assert "juggling" in check.found
    assert "gone" in check.found
    assert "review:" not in check.found


async def test_a_workflow_of_a_later_version(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    flow = WorkflowDefinition(name="flow", steps={"one": Step(task="security")})
    body = encode(WorkflowInForce(definition=flow, version=1, at=datetime.now(UTC)))
    subject = buckets.subject_of(network.subjects.workflows, "flow.1")
    await publish(network.requester, subject, body.replace(b'"steps"', b'"quota":3,"steps"'))
    check = await workflows_check(network)
    assert check.verdict == "wrong"
    assert check.found.startswith("version 1 of the workflow flow is of a later version of Sanctuary")


def test_an_old_python_is_wrong() -> None:
    assert python((3, 10, 4)).verdict == "wrong"
    assert python((3, 11, 0)).verdict == "ok"
    assert python((4, 0, 0)).verdict == "ok"


HOME = Path("/venv/lib")
PLACES: dict[str, Path | None] = dict.fromkeys(("schemas", "bus", "clones", "ops"), HOME)


@pytest.mark.parametrize(
    ("places", "owners", "said"),
    [
        (PLACES, {"ops": ["sanctuary-bus", "ops"]}, "`ops` is also installed by ops"),
        (PLACES, {"schemas": ["schemas"]}, "`schemas` is also installed by schemas"),
        ({**PLACES, "bus": Path("/elsewhere")}, {}, "`bus` comes from /elsewhere"),
        ({**PLACES, "bus": None}, {}, "`bus` comes from nowhere"),
    ],
)
def test_packages_of_others_with_our_names_are_wrong(
    places: dict[str, Path | None], owners: dict[str, list[str]], said: str
) -> None:
    check = packages(places, owners)
    assert check.verdict == "wrong"
    assert said in check.found
    assert "virtual environment of its own" in check.advice


def test_our_own_packages_are_right() -> None:
    assert packages(PLACES, {"ops": ["sanctuary-bus"], "bus": []}).verdict == "ok"


def test_requirements_that_are_missing_or_too_old() -> None:
    check = requirements(
        ["click>=999", "no-such-package-of-ours>=1", "msgspec>=0.1", 'pywin32; sys_platform == "win32"']
    )
    assert check.verdict == "wrong"
    assert check.found.startswith("click is ")
    assert check.found.endswith("needed is >=999; no-such-package-of-ours is missing")
    assert requirements(["click", "msgspec>=0.1"]).found == "all 2 packages are there"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk(tmp_path / "not" / "made").found.endswith(f"at {tmp_path}")
    monkeypatch.setattr(installation, "LOW_DISK_BYTES", 1 << 60)
    assert disk(tmp_path).verdict == "note"
    monkeypatch.setattr(installation, "FULL_DISK_BYTES", 1 << 60)
    assert disk(tmp_path).verdict == "wrong"


async def test_the_store_and_who_works_on_it(server: EmbeddedServer, tmp_path: Path) -> None:
    assert f"process {server.pid} serves {server.url}" in lock(server.options.store).found
    assert "is made by the first" in lock(tmp_path / "none").found
    assert "no server runs on it" in lock(tmp_path).found


@pytest.mark.parametrize("tool", ["ruff", "gitleaks"])
def test_a_tool_that_does_not_run(tool: str, tmp_path: Path) -> None:
    broken = tmp_path / tool
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    check = installation._runs(tool, str(broken))
    assert (check.name, check.verdict) == (tool, "wrong")
