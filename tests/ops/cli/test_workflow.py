"""`sanctuary workflow` and `decide`, as people type them, with a real Omega."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bus.artifacts import Artifacts
from bus.identity import Identity
from bus.jetstream import publish
from bus.network import open_network
from bus.task import Done, Task, TaskError
from bus.worker import Worker
from clones.omega.coordination import coordination
from ops.workflows import history_of
from schemas import DecisionMade, ErrorCode
from tests.bus.eventually import eventually
from tests.ops.rig import WITHIN_S, OpsRig

RELEASE = """
name = "release"
description = "Tests, then a person."
artifacts = ["tests"]
summary = "${input.target} is released"

[input.target]
required = true

[input.files]
kind = "list"

[steps.tests]
task = "testing"
params.target = "${input.target}"

[steps.each]
task = "testing"
foreach = "input.files"
params.target = "${item}"

[steps.go]
needs = ["tests", "each"]
decision.prompt = "Release ${input.target}?"

[steps.publish]
needs = ["go"]
task = "testing"
params.target = "${input.target}"
"""
SHORT = """
name = "short"

[input.target]

[steps.first]
task = "testing"
params.target = "${input.target}"

[steps.second]
task = "testing"
needs = ["first"]
params.target = "${steps.first.output.path}"
"""


class Delta:
    """What stands in for Delta: `failing` targets fail, all others are done, once it is `released`."""

    def __init__(self, rig: OpsRig) -> None:
        self.failing: set[str] = set()
        self.seen: list[str] = []
        """Each target once: one whose lease ends on a busy machine is begun anew."""
        self.released = asyncio.Event()
        self.released.set()
        self._rig = rig

    async def __call__(self, task: Task) -> Done:
        target = str(task.params["target"])
        if target not in self.seen:
            self.seen.append(target)
        task.report(0.5, "half of it")
        await self.released.wait()
        if target in self.failing:
            raise TaskError(ErrorCode.ENGINE_FAILED, f"{target} is broken", retryable=False)
        report = Path(self._rig.environment["TMP_FILES"]) / f"{task.id}.txt"
        report.write_text(target)
        ref = await Artifacts(self._rig.bus.network).put(
            report, name=f"{task.id}/report.txt", filename="report.txt", media_type="text/plain"
        )
        return Done(summary=f"{target} is tested", output={"path": f"{target}!"}, artifacts=(ref,))


@asynccontextmanager
async def omega(rig: OpsRig) -> AsyncIterator[None]:
    """All of an Omega."""
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(open_network(rig.bus.settings, rig.bus.subjects, name="omega"))
        identity = Identity("omega")
        services = await stack.enter_async_context(coordination(network, identity))
        worker = Worker(network, services, identity, capacity=16)
        await worker.start()
        stack.push_async_callback(worker.stop, 0.0)
        yield


@pytest.fixture
def delta(ops_rig: OpsRig, tmp_path: Path) -> Delta:
    ops_rig.environment = {**ops_rig.environment, "TMP_FILES": str(tmp_path)}
    return Delta(ops_rig)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    path.write_text(SHORT)
    return path


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_a_run_from_a_file_to_its_result(ops_rig: OpsRig, delta: Delta, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with omega(ops_rig), ops_rig.clone("delta", delta):
        ended = await ops_rig.cli("workflow", "run", file, "-t", "https://a.b/c", "-l", "team=a", "-o", out)
        assert ended.status == 0, ended.err
        assert "version 1 of the workflow short is in force" in ended.err
        assert "delta  second         completed" in ended.err
        assert "completed: workflow by omega" in ended.out
        assert delta.seen == ["https://a.b/c", "https://a.b/c!"]
        assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.txt")) == [
            "first/report.txt",
            "second/report.txt",
        ]
        delta.released.clear()
        process = await ops_rig.start("workflow", "run", file, "-t", "https://a.b/c", "--json")
        assert process.stdout is not None
        told: list[dict[str, Any]] = []
        # What waits is told while the run goes: it does not go on before that.
        while not told or told[-1].get("step") != "second":
            line = await asyncio.wait_for(process.stdout.readline(), WITHIN_S)
            assert line, told
            told += lines(line.decode())
        delta.released.set()
        out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 0
        assert b"version 1 of the workflow short is the same, and stays in force" in err
        told += lines(out.decode())
        assert (told[0]["event"], told[-1]["event"]) == ("started", "result")
        assert told[-1]["result"]["type"] == "WorkflowCompletion"
        states = [line["state"] for line in told if line.get("step") == "second" and line["text"] != "half of it"]
        assert states[0] == "pending"
        assert states[-1] == "completed"

        listed = (await ops_rig.cli("workflow", "list", "--name", "short", "-l", "team=a", "--json")).json["runs"]
        assert [(run["workflow"], run["state"], run["labels"]) for run in listed] == [
            ("short", "completed", {"team": "a"})
        ]
        assert (await ops_rig.cli("workflow", "list", "--name", "review", "--json")).json == {"runs": []}


async def test_a_person_decides_and_is_named(ops_rig: OpsRig, delta: Delta, tmp_path: Path) -> None:
    file = tmp_path / "release.toml"
    file.write_text(RELEASE)
    async with omega(ops_rig), ops_rig.clone("delta", delta):
        stored = await ops_rig.cli("workflow", "put", file, "--json")
        assert stored.json == {"name": "release", "version": 1}
        given = ["-t", "https://a.b/c", "-i", 'files=["x", "y"]']
        begun = await ops_rig.cli("workflow", "run", "release", *given, "--detach", "--json")
        run_id = begun.json["id"]

        async def waits() -> bool:
            shown = (await ops_rig.cli("workflow", "show", run_id, "--json")).json
            return bool(shown["waits_for"])

        await eventually(waits)
        shown = await ops_rig.cli("workflow", "show", run_id)
        assert "go waits for a decision" in shown.out
        assert "Release https://a.b/c?" in shown.out
        assert f"sanctuary decide {run_id} go approve|reject" in shown.out
        unlike = await ops_rig.cli("decide", run_id, "gos", "approve")
        assert (unlike.status, "no step 'gos' (did you mean go?); these wait: go" in unlike.out) == (1, True)
        misspelt = await ops_rig.cli("decide", f"{run_id}x", "approve")
        assert f"there is no run {run_id}x (did you mean {run_id}?)" in misspelt.err
        wrong = await ops_rig.cli("decide", run_id, "tests", "approve")
        assert wrong.status == 1
        assert "takes no decision" in wrong.out
        decided = await ops_rig.cli("decide", run_id, "approve", "--comment", "well done", "--by", "ann")
        assert decided.status == 0, decided.out + decided.err
        assert "is approved by ann" in decided.out

        async def completed() -> bool:
            return (await ops_rig.cli("workflow", "show", run_id, "--json")).json["state"] == "completed"

        await eventually(completed)
        twice = await ops_rig.cli("decide", run_id, "go", "reject")
        assert twice.status == 1
        assert "already by ann: well done" in twice.out
        nothing = await ops_rig.cli("decide", run_id, "approve")
        assert nothing.status == 1
        assert f"no step of {run_id} waits for a decision: the run is completed" in nothing.err
    made = [
        event
        for written in await history_of(ops_rig.bus.network, run_id)
        for event in written.entry.events
        if isinstance(event, DecisionMade)
    ]
    assert [(event.verdict, event.decided_by, event.comment) for event in made] == [("approve", "ann", "well done")]
    told = (await ops_rig.cli("workflow", "history", run_id)).out
    assert "go approved by ann: well done" in told
    audit = (await ops_rig.cli("audit", "show", run_id, "--entries")).out
    for kind in (
        "WorkflowStart",
        "WorkflowEntry",
        "Decision",
        "TaskAssignment",
        "TaskCompletion",
        "WorkflowCompletion",
    ):
        assert kind in audit, audit


async def test_a_failed_run_goes_on_where_it_failed(ops_rig: OpsRig, delta: Delta, file: Path) -> None:
    delta.failing.add("a!")
    async with omega(ops_rig), ops_rig.clone("delta", delta):
        failed = await ops_rig.cli("workflow", "run", file, "-i", "target=https://x.y/a", "--json")
        assert failed.status == 0
        delta.failing.add("https://x.y/b!")
        failed = await ops_rig.cli("workflow", "run", "short", "-i", "target=https://x.y/b", "--json")
        assert failed.status == 1
        first = lines(failed.out)[-1]["result"]
        assert (first["type"], first["code"]) == ("WorkflowFailure", "step_failed")
        run_id = first["task_id"]
        shown = await ops_rig.cli("workflow", "show", run_id)
        assert "step_failed" in shown.out
        assert f"sanctuary workflow resume {run_id}" in shown.err
        delta.failing.clear()
        delta.seen.clear()
        resumed = await ops_rig.cli("workflow", "resume", run_id, "--json")
        assert resumed.status == 0, resumed.err
        assert delta.seen == ["https://x.y/b!"]
        new_id = lines(resumed.out)[-1]["result"]["task_id"]
        assert "goes on with " + run_id in (await ops_rig.cli("workflow", "show", new_id)).out
        delta.seen.clear()
        retried = await ops_rig.cli("workflow", "retry", run_id)
        assert retried.status == 0, retried.err
        assert delta.seen == ["https://x.y/b", "https://x.y/b!"]
        done = await ops_rig.cli("workflow", "resume", new_id)
        assert done.status == 2
        assert "nothing is left to go on with" in done.err


async def test_a_run_that_any_client_started_is_found_by_its_number(ops_rig: OpsRig, delta: Delta, file: Path) -> None:
    network = ops_rig.bus.network
    async with omega(ops_rig), ops_rig.clone("delta", delta):
        assert (await ops_rig.cli("workflow", "put", file)).status == 0
        body = b'{"input": {"target": "https://a.b/c"}}'
        run_id = f"seq-{(await publish(network.requester, network.subjects.workflow('short'), body)).seq}"

        async def completed() -> bool:
            return (await ops_rig.cli("workflow", "show", run_id, "--json")).json["state"] == "completed"

        await eventually(completed)
        assert (await ops_rig.cli("workflow", "history", run_id)).out.count("completed by delta") == 2


async def test_a_run_is_cancelled(ops_rig: OpsRig, delta: Delta, tmp_path: Path) -> None:
    file = tmp_path / "release.toml"
    file.write_text(RELEASE)
    async with omega(ops_rig), ops_rig.clone("delta", delta):
        begun = await ops_rig.cli("workflow", "run", file, "-t", "https://a.b/c", "-i", "files=[]", "--detach")
        run_id = begun.out.split()[0]
        cancelled = await ops_rig.cli("workflow", "cancel", run_id, "--reason", "not today")
        assert cancelled.status == 0, cancelled.out + cancelled.err

        async def ended() -> bool:
            return (await ops_rig.cli("workflow", "show", run_id, "--json")).json["state"] == "cancelled"

        await eventually(ended)
        shown = (await ops_rig.cli("workflow", "show", run_id)).out
        assert "not today" in shown


async def test_graphs_of_runs_names_and_files(ops_rig: OpsRig, file: Path, tmp_path: Path) -> None:
    of_file = await ops_rig.cli("workflow", "graph", file)
    assert of_file.out.splitlines() == [
        "short",
        "  · first (testing) pending",
        "    · second (testing) pending  after first",
    ]
    of_name = await ops_rig.cli("workflow", "graph", "review", "--format", "mermaid")
    assert of_name.out.startswith("flowchart")
    picture = tmp_path / "review.svg"
    assert (await ops_rig.cli("workflow", "graph", "review", "--format", "svg", "-o", picture)).status == 0
    assert picture.read_text().startswith("<svg")
    nothing = await ops_rig.cli("workflow", "graph", "nothing")
    assert nothing.status == 1
    assert "there is no run nothing" in nothing.err


async def test_what_is_wrong_with_a_file_is_told_with_its_lines(ops_rig: OpsRig, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('name = "wrong"\n\n[steps.a]\ntask = "testng"\n')
    checked = await ops_rig.cli("workflow", "check", file)
    assert checked.status == 2
    assert checked.out.startswith(f"{file}:4: steps.a.task: ")
    assert "testng" in checked.out
    file.write_text('name = "wrong"\n\n[steps.a]\ntask = "testing"\nneeds = ["b"]\n')
    for command in (("check", file), ("put", file), ("run", file), ("graph", file)):
        ended = await ops_rig.cli("workflow", *command)
        assert ended.status == 2
        assert f"{file}:5: steps.a.needs[0]: " in ended.out + ended.err
    unknown = await ops_rig.cli("workflow", "run", "relese")
    assert unknown.status == 2
    assert "there is no workflow 'relese' (did you mean release-check?). Known: " in unknown.err


async def test_without_a_network_a_file_is_checked_in_itself(ops_rig: OpsRig, file: Path) -> None:
    ops_rig.environment = {**ops_rig.environment, "NATS_URL": "nats://127.0.0.1:1"}
    checked = await ops_rig.cli("workflow", "check", file)
    assert checked.status == 0
    assert "short, 2 steps: nothing is wrong" in checked.out
    assert "task types and sub-workflows were not looked up" in checked.err


async def test_whoever_stops_waiting_is_told_that_the_run_goes_on(ops_rig: OpsRig, delta: Delta, file: Path) -> None:
    async with omega(ops_rig):
        assert (await ops_rig.cli("workflow", "put", file)).status == 0
        process = await ops_rig.start("workflow", "run", "short", "-t", "https://a.b/c")
        assert process.stderr is not None
        first = await asyncio.wait_for(process.stderr.readline(), WITHIN_S)
        assert first.startswith(b"short runs as ")
        process.send_signal(2)
        _, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 130
        assert b"The run goes on; sanctuary workflow show " in err


async def test_without_omega_the_run_is_stored_and_its_absence_told(ops_rig: OpsRig, delta: Delta, file: Path) -> None:
    async with omega(ops_rig):
        assert (await ops_rig.cli("workflow", "put", file)).status == 0
    process = await ops_rig.start("workflow", "run", "short", "-t", "https://a.b/c")
    assert process.stderr is not None
    heard = b""
    while b"Nobody answers as omega; the task waits until one runs (sanctuary omega)." not in heard:
        line = await asyncio.wait_for(process.stderr.readline(), WITHIN_S)
        assert line, heard
        heard += line
    async with omega(ops_rig), ops_rig.clone("delta", delta):
        await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode == 0
