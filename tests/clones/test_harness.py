"""The harness that packages with clones of their own test with, and the example that shows it."""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from bus.task import Done, Task, TaskError
from clones.base import Clone, InvalidClone, serves
from clones.harness import network_of
from schemas import ErrorCode, Route, TaskCompletion, TaskFailure, TaskProgress, TaskRetrying, TaskStarted

EXAMPLE = Path(__file__).parents[2] / "examples" / "translator"


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str = ""
    fail_first: int = 0


class Shouter(Clone):
    name = "shouter"
    routes: ClassVar = {"shout": Route(clone="shouter", retries=3), "echo": Route(clone="shouter")}
    stopped: ClassVar[list[str]] = []

    async def start(self) -> None:
        self.mark = "!"

    async def stop(self) -> None:
        self.stopped.append(self.mark)

    @serves("shout")
    async def shout(self, task: Task, params: Params) -> Done:
        if task.attempt <= params.fail_first:
            raise TaskError(ErrorCode.HANDLER_FAILED, "not yet")
        task.report(0.5, "drawing breath")
        return Done(output=params.text.upper() + self.mark)

    @serves("echo")
    async def echo(self, task: Task, params: Params) -> Done:
        return Done(output=(self.workshop.targets.workspace / "name").read_text())


class Reader(Clone):
    name = "reader"
    routes: ClassVar = {"read": Route(clone="reader")}

    @serves("read")
    async def read(self, task: Task, params: Params) -> Done:
        return Done(output=params.text)


async def test_tasks_run_on_a_real_network_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "name").write_text("here")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(Shouter, "stopped", [])
    async with network_of(Shouter, Reader, workspace=tmp_path) as network:
        result = await network.run("shout", {"text": "hi"}, priority="high")
        assert isinstance(result, TaskCompletion)
        assert (result.output, result.clone) == ("HI!", "shouter")
        others = [network.run("echo"), network.run("read", {"text": "x"}, labels={"of": "us"})]
        outputs = [result.output for result in await asyncio.gather(*others) if isinstance(result, TaskCompletion)]
        assert outputs == ["here", "x"]
        pid = network.server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert Shouter.stopped == ["!"]


async def test_what_happened_to_a_task_can_be_asked() -> None:
    async with network_of(Shouter) as network:
        submitted = await network.submit("shout", {"text": "hi", "fail_first": 1}, id="mine")
        result = await network.result("shout", "mine")
        assert (submitted.id, result.attempt) == ("mine", 2)
        told = [(type(event), event.attempt) for event in await network.events("shout", "mine")]
        # That the first attempt has started is told where it is not over at once.
        assert [each for each in told if each[0] is not TaskProgress and each != (TaskStarted, 1)] == [
            (TaskRetrying, 1),
            (TaskStarted, 2),
        ]
        assert {kind for kind, _ in told} <= {TaskRetrying, TaskStarted, TaskProgress}
        refused = await network.run("shout", {"txet": "hi"})
        assert isinstance(refused, TaskFailure)
        assert "unknown field `txet`" in refused.message
        with pytest.raises(TimeoutError):
            await network.result("shout", "nobody-submitted-this", within_s=0.1)


async def test_a_class_that_is_no_clone_starts_nothing() -> None:
    with pytest.raises(InvalidClone, match="cannot be run: it has no name"):
        async with network_of(Clone):
            pass


async def test_a_clone_that_cannot_start_says_why() -> None:
    class Broken(Reader):
        async def start(self) -> None:
            raise OSError("no dictionary")

    with pytest.raises(OSError, match="no dictionary"):
        async with network_of(Broken):
            pass


def test_it_needs_no_pytest(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from clones.harness import network_of\n"
        "from translator import Translator\n"
        "async def main():\n"
        "    async with network_of(Translator) as network:\n"
        "        print((await network.run('translate', {'text': 'peace'})).output)\n"
        "asyncio.run(main())\n"
        "assert 'pytest' not in sys.modules\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=EXAMPLE, capture_output=True, text=True, timeout=110
    )
    assert (ended.stdout, ended.returncode) == ("pax\n", 0), ended.stderr


def test_the_example_s_own_tests_pass() -> None:
    """As its author runs them: with its own settings, not with ours."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, check=False, cwd=EXAMPLE, capture_output=True, text=True, timeout=110)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout
