"""`sanctuary submit`, `call` and `task` on a real server, with clones whose handlers do as they are told."""

import asyncio
import re
import tarfile
from pathlib import Path

import pytest

from bus.artifacts import Artifacts
from bus.task import Done, Task, TaskError
from ops.cli.files import relative_path
from ops.cli.tasks import MAX_LEFT_OUT
from schemas import ErrorCode, TaskAssignment, decode
from tests.bus.eventually import eventually
from tests.ops.rig import WITHIN_S, OpsRig


async def done(task: Task) -> Done:
    return Done(summary="looked at", output={"data": {"counts": {"high": 2, "low": 0}}, "params": dict(task.params)})


async def refuse(_: Task) -> Done:
    raise TaskError(ErrorCode.TARGET_NOT_FOUND, "no such thing\nanywhere")


async def stored_task(rig: OpsRig, sequence: int) -> TaskAssignment:
    messages = await rig.bus.in_stream(rig.bus.subjects.ledger, rig.bus.subjects.every("task"))
    (body,) = [message.data for message in messages if message.sequence == sequence]
    assignment: TaskAssignment = decode(TaskAssignment, body)
    return assignment


async def test_submit_stores_the_task_and_says_how_to_see_it(ops_rig: OpsRig, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    arguments = (
        "-t",
        "project",
        "--priority",
        "low",
        "--timeout",
        "12.5",
        "--retries",
        "0",
        "-l",
        "a=b",
        "--id",
        "mine",
    )
    ended = await ops_rig.cli("submit", "security-analysis", *arguments, cwd=tmp_path)

    assert (ended.status, ended.out, ended.err) == (0, "mine #1\n", "sanctuary task show mine\n")
    (message,) = await ops_rig.bus.in_stream(ops_rig.bus.subjects.ledger, ">")
    assert message.subject == ops_rig.bus.subjects.task("security", "low")
    assert decode(TaskAssignment, message.data) == TaskAssignment(
        id="mine", params={"target": str(tmp_path / "project")}, timeout_s=12.5, retries=0, labels={"a": "b"}
    )


async def test_submit_as_json(ops_rig: OpsRig) -> None:
    ended = await ops_rig.cli("submit", "testing", "-t", "/srv/elsewhere", "--json")
    assert ended.status == 0
    assert set(ended.json) == {"id", "task_type", "sequence"}
    assignment = await stored_task(ops_rig, ended.json["sequence"])
    assert (assignment.id, assignment.params) == (ended.json["id"], {"target": "/srv/elsewhere"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("security",), "sanctuary: there is no target: name one with --target"),
        (("security", "-t", ".", "--upload", "."), "sanctuary: name the target once"),
        (("security", "-t", ".", "--timeout", "0"), "Invalid value for '--timeout'"),
    ],
)
async def test_what_cannot_be_sent_is_told_and_nothing_is_stored(
    ops_rig: OpsRig, arguments: tuple[str, ...], said: str
) -> None:
    ended = await ops_rig.cli("submit", *arguments)
    assert ended.status == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert await ops_rig.bus.in_stream(ops_rig.bus.subjects.ledger, ">") == []


async def test_call_prints_the_result(ops_rig: OpsRig) -> None:
    async with ops_rig.clone("gamma", done):
        ended = await ops_rig.cli("call", "architecture-design", "-t", "/srv/p")
        as_json = await ops_rig.cli("call", "architecture", "-t", "/srv/p", "--json")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("completed: architecture by gamma-")
    assert lines[1:] == ["  looked at", "  counts: high 2, low 0"]
    assert as_json.status == 0
    assert as_json.json["type"] == "TaskCompletion"
    assert as_json.json["output"]["params"] == {"target": "/srv/p"}


async def test_parameters_come_from_a_file(ops_rig: OpsRig, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"target": "/srv/p", "budget_s": 60}')
    async with ops_rig.clone("gamma", done):
        ended = await ops_rig.cli("call", "architecture", "-p", "@params.json", "--json", cwd=tmp_path)
    missing = await ops_rig.cli("call", "architecture", "-p", "@nowhere.json", cwd=tmp_path)
    assert ended.json["output"]["params"] == {"target": "/srv/p", "budget_s": 60}
    assert missing.status == 2
    assert "'nowhere.json' cannot be read" in missing.err


async def test_findings_that_travelled_as_an_artifact_are_shown(ops_rig: OpsRig, tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text('{"findings": [{"severity": "high", "title": "drawer open", "file": "till.py", "line": 3}]}')

    async def find(task: Task) -> Done:
        artifacts = Artifacts(ops_rig.bus.network)
        ref = await artifacts.put(data, name=f"{task.id}/data", filename="data.json", media_type="application/json")
        return Done(summary="1 finding", output={"data_artifact": ref.name}, artifacts=(ref,))

    async with ops_rig.clone("beta", find):
        called = await ops_rig.cli("call", "security", "-t", "/srv/p", "--id", "large")
    shown = await ops_rig.cli("task", "show", "large")
    for told in (called, shown):
        assert "  high: drawer open (till.py:3)\n" in told.out
        assert "sanctuary task show large -o DIR" in told.out


async def test_call_of_a_task_that_fails_exits_with_1(ops_rig: OpsRig) -> None:
    async with ops_rig.clone("gamma", refuse):
        ended = await ops_rig.cli("call", "architecture", "-t", "/srv/p")
        waited = await ops_rig.cli("submit", "architecture", "-t", "/srv/p", "--wait", "--json")
    assert ended.status == 1
    assert ended.out.splitlines()[1:] == ["  target_not_found: no such thing", "    anywhere"]
    assert (waited.status, waited.json["code"]) == (1, "target_not_found")


async def test_a_call_that_nobody_takes_says_so_and_leaves_the_task_behind(ops_rig: OpsRig) -> None:
    process = await ops_rig.start("call", "security", "-t", "/srv/p", "--id", "waits")
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stderr.readline(), WITHIN_S)
    assert line.decode().startswith("Nobody answers as beta; the task waits")
    process.send_signal(2)
    _, rest = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode == 130
    assert rest.decode() == "The task goes on; sanctuary task show waits tells how.\n"
    shown = await ops_rig.cli("task", "show", "waits", "--json")
    assert shown.json["tasks"][0]["state"] == "queued"


async def test_an_upload_reaches_the_clone_as_an_archive(ops_rig: OpsRig, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "code.py").write_text("x = 1\n")
    for number in range(MAX_LEFT_OUT + 1):
        (tmp_path / "project" / f"link{number}").symlink_to(tmp_path)
    names: list[str] = []

    async def unpack(task: Task) -> Done:
        target = str(task.params["target"])
        assert target.startswith("artifact:uploads/")
        archive = tmp_path / "got.tar.gz"
        await Artifacts(ops_rig.bus.network).get(target.removeprefix("artifact:"), archive)
        with tarfile.open(archive) as tar:
            names.extend(tar.getnames())
        return Done(summary="unpacked")

    async with ops_rig.clone("beta", unpack):
        ended = await ops_rig.cli("call", "security", "--upload", tmp_path / "project")
    assert ended.status == 0, ended.err
    assert "uploaded 1 files" in ended.err
    assert "left out: link0: " in ended.err
    assert "left out: 1 more\n" in ended.err
    assert names == ["project/code.py"]


async def test_show_tells_the_story_of_a_task(ops_rig: OpsRig, tmp_path: Path) -> None:
    report = tmp_path / "made.txt"
    report.write_text("written\n")
    artifacts = Artifacts(ops_rig.bus.network)

    async def work(task: Task) -> Done:
        if task.attempt == 1:
            raise TaskError(ErrorCode.TARGET_UNAVAILABLE, "not \x1b[31mnow")
        names = ["api/index.md", "../../api/index.md", "report.txt"]
        refs = [
            await artifacts.put(report, name=f"{task.id}/{number}", filename=name, media_type="text/plain")
            for number, name in enumerate(names)
        ]
        return Done(summary="done", artifacts=tuple(refs))

    async with ops_rig.clone("sigma", work):
        submitted = (await ops_rig.cli("submit", "documentation", "-t", "/srv/p", "--json")).json
        await ops_rig.bus.result(submitted["id"], "documentation")
    output = tmp_path / "out"
    shown = await ops_rig.cli("task", "show", "-o", output, "--", submitted["id"])
    as_json = await ops_rig.cli("task", "show", "--json", "--", submitted["id"])

    assert shown.status == 0
    lines = shown.out.splitlines()
    assert lines[0] == f"task {submitted['id']}, documentation: completed"
    kinds = [match[1] for line in lines if (match := re.search(r" #\d+ (\w+)", line))]
    assert kinds == ["submitted", "retrying", "started", "completed"]
    assert re.search(r"attempt 1 failed, again in 0\.\d s; target_unavailable: not �\[31mnow", shown.out)
    assert "\x1b" not in shown.out
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    assert files == ["api/1-index.md", "api/index.md", "report.txt"]
    assert not (tmp_path / "api").exists()
    (story,) = as_json.json["tasks"]
    assert (story["state"], story["attempt"], story["clone"]) == ("completed", 2, "sigma")
    assert [event["kind"] for event in story["events"]] == ["TaskRetrying", "TaskStarted"]
    assert story["result"]["type"] == "TaskCompletion"
    assert 0 <= story["waited_s"] <= story["took_s"]


@pytest.mark.parametrize("filename", ["/etc/passwd", "../../etc/passwd", "..", "", "/", "a/../../b", "x\ny", "."])
def test_an_artifacts_file_never_leaves_the_directory(filename: str) -> None:
    path = relative_path(filename)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert path.name
    assert str(path).isprintable()


@pytest.mark.parametrize("group", ["task", "audit"])
async def test_a_task_that_does_not_exist(ops_rig: OpsRig, group: str) -> None:
    unknown = await ops_rig.cli(group, "show", "unknown")
    wildcard = await ops_rig.cli(group, "show", ">")
    assert (unknown.status, wildcard.status) == (1, 2)
    assert "there is no task unknown" in unknown.err
    assert "is no task id" in wildcard.err


async def test_list_shows_the_newest_first(ops_rig: OpsRig) -> None:
    empty = await ops_rig.cli("task", "list")
    assert empty.out.startswith("No tasks yet.")
    for number in range(3):
        await ops_rig.bus.submitter.submit("security", TaskAssignment(id=f"s{number}"))
    async with ops_rig.clone("gamma", refuse):
        await ops_rig.bus.submitter.run("architecture", TaskAssignment(id="g"), timeout_s=60)
    shown = await ops_rig.cli("task", "list")
    filtered = await ops_rig.cli("task", "list", "--type", "security-analysis", "--limit", "2", "--json")
    failed = await ops_rig.cli("task", "list", "--state", "failed", "--json")

    ids = [line.split()[2] for line in shown.out.splitlines()[1:] if line.strip()]
    assert ids == ["g", "s2", "s1", "s0"]
    assert "target_not_found: no such thing anywhere" in shown.out
    assert [(task["task_id"], task["state"]) for task in filtered.json["tasks"]] == [("s2", "queued"), ("s1", "queued")]
    assert [task["task_id"] for task in failed.json["tasks"]] == ["g"]
    assert failed.json["tasks"][0]["code"] == "target_not_found"


async def test_tasks_of_a_type_that_nobody_serves_any_more_are_listed(ops_rig: OpsRig) -> None:
    await ops_rig.bus.submitter.submit("ocr", TaskAssignment(id="left"))
    found = await ops_rig.cli("task", "list", "--type", "ocr", "--json")
    none = await ops_rig.cli("task", "list", "--type", "orc")
    assert found.status == 0, found.err
    assert [(task["task_type"], task["task_id"]) for task in found.json["tasks"]] == [("ocr", "left")]
    assert (none.status, none.out) == (0, "No such tasks.\n")
    assert none.err.startswith("No clone serves orc. Known: security, ")


async def test_without_a_server_it_is_told(ops_rig: OpsRig) -> None:
    ended = await ops_rig.cli("task", "list", "-s", "nats://127.0.0.1:9")
    assert ended.status == 1
    assert "nobody listens there" in ended.err
    assert "Traceback" not in ended.err


async def test_progress_wakes_nobody_up_when_a_clone_is_there(ops_rig: OpsRig) -> None:
    running: list[str] = []
    release = asyncio.Event()

    async def slow(task: Task) -> Done:
        running.append(task.id)
        task.report(0.5, "half way")
        await release.wait()
        return Done()

    async with ops_rig.clone("beta", slow):
        await ops_rig.ready("beta")
        process = await ops_rig.start("call", "security", "-t", "/srv/p", "--id", "slow")
        await eventually(lambda: running == ["slow"])
        release.set()
        out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert out.decode().startswith("completed: security by beta-")
    assert err.decode() == "sanctuary task show slow\n"
