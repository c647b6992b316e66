"""The main job: one command reviews a project with a network of its own and leaves a report that is true to it."""

import json
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bus.ledger import entry
from bus.server import EmbeddedServer, ServerOptions
from bus.subjects import COMMAND_TYPE
from schemas import TaskCompletion, TaskResult, decode
from tests.clones.step_ids import ids_of
from tests.conftest import CLONES
from tests.integration.shop import EVAL, FAILING, FILES, UNDOCUMENTED, git, make_shop
from tests.ops.network import Client, Command, needs_proc, running

pytestmark = [needs_proc, pytest.mark.timeout(600)]
REVIEWED_WITHIN_S = 500.0
"""The first one on a machine makes the environment for the project's tests."""
ENDLESS = "import time\n\n\ndef test_endless():\n    while True:\n        time.sleep(1)\n"

STEPS = {"security": "security", "architecture": "architecture", "testing": "testing", "documentation": "report"}
"""By task type the names of the steps."""


@dataclass(frozen=True)
class Reviewed:
    """What `sanctuary review --up` left."""

    command: Command
    project: Path
    revision: str
    told: dict[str, Any]

    @property
    def markdown(self) -> str:
        return (self.command.directory / "out" / "report.md").read_text()

    @property
    def html(self) -> str:
        page = (self.command.directory / "out" / "report.html").read_text()
        return page.replace("<wbr>", "")  # where a long path may be broken

    @property
    def workflow_id(self) -> str:
        return str(self.told["workflow_id"])


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    directory = tmp_path_factory.mktemp("job")
    project = directory / "project"
    revision = make_shop(project)
    arguments = ("review", "project", "--up", "--json", "--store", "store", "--output", "out")
    with running(*arguments, directory=directory) as command:
        command.until("reviewing ")
        command.below()
        status = command.wait(REVIEWED_WITHIN_S)
    assert status == 0, command.log
    return Reviewed(command, project, revision, json.loads(command.out))


@pytest_asyncio.fixture
async def afterwards(reviewed: Reviewed) -> AsyncIterator[Client]:
    """The same store with a server only, as somebody who asks later finds it."""
    async with (
        EmbeddedServer(ServerOptions(store=reviewed.command.store, port=-1, clones=CLONES)),
        reviewed.command.open() as client,
    ):
        yield client


def rows(page: str, *heads: str) -> list[list[str]]:
    """The cells of the Markdown table with these columns."""
    lines = iter(page.splitlines())
    for line in lines:
        if cells(line) == list(heads):
            next(lines)
            found = []
            for row in lines:
                if not row.startswith("|"):
                    return found
                found.append([cell.strip("`*") for cell in cells(row)])
            return found
    raise AssertionError(f"there is no table of {heads}")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_it_says_what_became_of_each_step(reviewed: Reviewed) -> None:
    result = reviewed.told["result"]
    assert (result["type"], result["workflow"]) == ("WorkflowCompletion", "review")
    assert {step["task_type"]: step["state"] for step in result["output"]["steps"]} == dict.fromkeys(STEPS, "completed")
    assert [Path(path).name for path in reviewed.told["files"]] == ["report.html", "report.md", "report.json"]
    for clone, task_type in (("beta", "security"), ("gamma", "architecture"), ("delta", "testing")):
        assert re.search(rf"{clone} +{task_type} +completed ", reviewed.command.log)


def test_nothing_is_left_running_and_the_project_is_as_it_was(reviewed: Reviewed) -> None:
    assert reviewed.command.left() == []
    assert git(reviewed.project, "status", "--porcelain", "--ignored") == ""
    assert {name: (reviewed.project / name).read_text() for name in FILES} == FILES


def test_the_report_names_its_target(reviewed: Reviewed) -> None:
    assert reviewed.markdown.startswith("# Review of project\n")
    for page in (reviewed.markdown, reviewed.html):
        assert str(reviewed.project) in page
        assert reviewed.revision in page
    assert "4 of 5 tasks completed, 1 skipped." in reviewed.markdown
    assert "No command to profile was given." in reviewed.markdown


def test_the_finding_is_told_and_no_other(reviewed: Reviewed) -> None:
    assert "0 critical, 0 high, 1 medium, 0 low." in reviewed.markdown
    (finding,) = re.findall(r"### (critical|high|medium|low): (.+)\n\n`(\w+)`, (\S+), CWE-(\d+)", reviewed.markdown)
    assert finding == ("medium", "`eval` runs text as Python code", "B307", "bandit+ruff", "95")
    assert f"- `{EVAL}` (1)\n\n  ```\n  return eval(rule, " in reviewed.markdown
    assert EVAL in reviewed.html


def test_the_tests_are_counted_and_the_failing_one_is_named(reviewed: Reviewed) -> None:
    assert "**2** passed, **1** failed, of **3** in " in reviewed.markdown
    assert re.findall(r"\n#### `(.+)`\n\n`(.+)` \(\d+\)\n", reviewed.markdown) == [(FAILING, "tests/test_cart.py:13")]
    assert "assert 3 == 2" in reviewed.markdown
    assert FAILING in reviewed.html
    covered = rows(reviewed.markdown, "file", "lines", "branches", "lines not run")
    assert {row[0]: row[1] for row in covered} == {"shop/cart.py": "100.0%", "shop/prices.py": "100.0%"}


def test_the_architecture_is_told(reviewed: Reviewed) -> None:
    assert "- layer 2: `shop.cart`\n- layer 1: `shop.prices`\n" in reviewed.markdown
    connected = rows(reviewed.markdown, "module", "imported by", "imports", "instability")
    assert connected == [["shop.cart", "0", "1", "1.00"], ["shop.prices", "1", "0", "0.00"]]
    # the diagram, the three views of C4, and the coverage
    assert reviewed.html.count('src="data:image/svg+xml;base64,') == 5


def test_what_has_no_docstring_is_named(reviewed: Reviewed) -> None:
    assert "Documented: **50.0%** 3 of 6 public objects" in reviewed.markdown
    places = {name: f"{name.split('.')[0]}/{name.split('.')[1]}.py:{line}" for name, line in UNDOCUMENTED.items()}
    assert {row[0]: row[2] for row in rows(reviewed.markdown, "name", "kind", "place", "check")} == places


def test_the_page_opens_offline(reviewed: Reviewed) -> None:
    named = re.findall(
        r"""(?:src|href|action|srcset|data)\s*=\s*["']?([^"'\s>]+)|url\(([^)]+)\)|(@import)""", reviewed.html
    )
    found = {next(filter(None, groups)) for groups in named}
    assert {each for each in found if not each.startswith(("#", "data:image/svg+xml;base64,"))} == set()
    assert any(each.startswith("#task-") for each in found)


async def test_every_entry_of_the_audit_trail_is_in_the_ledger(reviewed: Reviewed, afterwards: Client) -> None:
    trail = rows(reviewed.markdown, "sequence", "time (UTC)", "kind", "subject", "clone")
    assert len(trail) >= 2 * len(STEPS)
    for sequence, time, kind, subject, _clone in trail:
        message = await entry(afterwards.network, int(sequence))
        assert message is not None
        assert message.subject == subject
        assert message.stored_at.strftime("%H:%M:%S.%f").startswith(time)
        assert json.loads(message.data).get("type", "TaskAssignment") == kind
    ended = {row[3] for row in trail if row[2] == "TaskCompletion"}
    names = afterwards.network.subjects
    own = await ids_of(afterwards.network, reviewed.workflow_id)
    wanted = {names.result(kind, own(name)) for kind, name in STEPS.items() if name != "report"}
    assert ended == wanted


async def test_each_task_has_one_result_and_ran_once(reviewed: Reviewed, afterwards: Client) -> None:
    subjects = afterwards.network.subjects
    own = await ids_of(afterwards.network, reviewed.workflow_id)
    ids = {kind: own(name) for kind, name in STEPS.items()} | {"workflow": reviewed.workflow_id}
    # Beside the verdict on the first routing table.
    table = subjects.result(COMMAND_TYPE, "")
    stored = [each for each in await afterwards.ledger(subjects.every("result")) if not each.subject.startswith(table)]
    assert sorted(message.subject for message in stored) == sorted(subjects.result(*each) for each in ids.items())
    for message in stored:
        result: TaskResult = decode(TaskResult, message.data)
        assert isinstance(result, TaskCompletion)
        assert result.attempt == 1
        assert await afterwards.network.results.read(result.task_type, result.task_id) == result
    for step in STEPS:
        assert len(await afterwards.ledger(subjects.task(step))) == 1
        kinds = [type(event).__name__ for event in await afterwards.events(step, ids[step])]
        assert kinds.count("TaskStarted") <= 1
        assert set(kinds) <= {"TaskStarted", "TaskProgress"}
    assert await afterwards.ledger(subjects.every("escalation")) == []


def test_ctrl_c_in_the_middle_leaves_nothing_and_says_little(tmp_path: Path) -> None:
    make_shop(tmp_path / "project")
    (tmp_path / "project" / "tests" / "test_endless.py").write_text(ENDLESS)
    git(tmp_path / "project", "add", ".")
    git(tmp_path / "project", "commit", "-q", "-m", "it never ends")
    with running("review", "project", "--up", "--store", "store", directory=tmp_path) as command:
        command.until("testing +running")
        assert command.end(signal.SIGINT) == 1
    assert command.log.splitlines()[-2:] == ["sanctuary stopping", "sanctuary stopped"]
    assert "Traceback" not in command.log
    assert command.left() == []
