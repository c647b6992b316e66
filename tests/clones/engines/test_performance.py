"""Beta's profiles of real runs."""

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from pyinstrument.session import Session

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.performance import analyse
from clones.engines.running import profiler
from clones.params import PerformanceParams
from tests.clones.engines.claims import wrong
from tests.clones.engines.running.projects import BUSY, project

Profile = Callable[..., EngineOutput]

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    def run(files: dict[str, str], *command: str, budget_s: float = 500.0, memory: bool = False) -> EngineOutput:
        target = project(tmp_path / "target", files)
        (tmp_path / "out").mkdir(exist_ok=True)
        params = PerformanceParams(target=str(target), command=command, budget_s=budget_s, memory=memory)
        output = analyse(target, params, tmp_path / "out", lambda *_: None)
        assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == set(files)
        json.dumps(output.data)
        return output

    return run


def test_time_is_found_where_it_is_spent(profile: Profile, tmp_path: Path) -> None:
    data = profile(BUSY, "python", "busy.py").data
    hot = {item["function"]: item for item in data["hot"]}
    assert data["hot"][0]["function"] == "spin"
    spin, rest = hot["spin"], hot["Worker.rest"]
    assert (spin["file"], spin["line"], spin["kind"]) == ("busy.py", 4, "target")
    assert 0.35 < spin["self_s"] <= data["wall_s"]
    assert rest["self_s"] > 0.05
    assert rest["source"] == "time.sleep(0.1)"
    assert hot["main"]["total_s"] >= spin["total_s"] + rest["total_s"] - 0.001
    assert hot["main"]["self_share"] < 0.1
    assert data["exit_status"] == 0
    assert data["wall_s"] >= 0.5
    session = Session.load(tmp_path / "out" / "profile.json")
    root = session.root_frame()
    assert root is not None
    assert hot["main"]["total_s"] - 0.001 <= root.time <= 1.25 * data["wall_s"]
    assert "Worker.rest" in (tmp_path / "out" / "flame.svg").read_text(encoding="utf-8")


LOOP = """
def unique(items):
    result = []
    for item in items:
        if item not in result:
            result.append(item)
    return result


unique(range(6000))
"""


def test_the_hottest_line_is_in_the_loop_though_nothing_there_calls_or_returns(
    profile: Profile, tmp_path: Path
) -> None:
    data = profile({"loop.py": LOOP}, "loop.py").data
    hot = data["hot"][0]
    assert hot["function"] == "unique"
    assert hot["hottest_line"] in {4, 5, 6}
    assert hot["source"] in {"for item in items:", "if item not in result:", "result.append(item)"}
    assert "was seen for the longest at loop.py:" in hot["check"]["text"]
    assert wrong(hot, tmp_path / "target") == []


def test_a_command_that_fails_is_a_result_with_its_last_words(profile: Profile) -> None:
    output = profile(BUSY, "python", "-m", "busy", "3")
    assert output.data["exit_status"] == 3
    # nothing of the profiler's own, which says where telling the time takes long, as in some virtual machines
    assert output.data["stderr_tail"] == "that is no good argument"
    assert "exit status 3 (that is no good argument)" in output.summary


def test_a_record_that_the_target_writes_itself_is_no_profile(profile: Profile) -> None:
    forge = """
import os, pathlib, sys

place = pathlib.Path(sys.orig_argv[2])
run = '{"wall_s": 1, "cpu_s": 1, "exit_status": 0, "samples": 1, "peak_rss_bytes": 1}'
for name, text in (("run.json", run), ("profile.json", '{"frame_records": [[7, 1]]}')):
    assert (place / "inside").is_dir()
    (place / name).write_text(text)
os._exit(0)
"""
    with pytest.raises(EngineError, match="left no profile"):
        profile({"forge.py": forge}, "forge.py")


def test_an_exception_shows_its_traceback_and_not_the_profiler_s(profile: Profile) -> None:
    data = profile({"app.py": "def f():\n    raise ValueError('broken')\nf()\n"}, "app.py").data
    assert data["exit_status"] == 1
    assert data["stderr_tail"].endswith("ValueError: broken")
    assert "sanctuary_profiler" not in data["stderr_tail"]


def test_without_a_command_the_tests_are_profiled(profile: Profile) -> None:
    files = BUSY | {
        "tests/test_busy.py": "import busy\ndef test_spin(): busy.spin(0.3)\ndef test_bad(): assert False\n"
    }
    data = profile(files).data
    assert data["command"] == ["python", "-m", "pytest", *(["-n0"] if find_spec("xdist") else []), "tests"]
    assert data["exit_status"] == 1
    assert data["hot"][0]["function"] == "spin"
    assert data["share_by_kind"]["target"] > 0


def test_a_command_without_end_is_interrupted_and_what_it_did_is_there(profile: Profile) -> None:
    endless = {"app.py": "import time\ndef wait():\n    while True: time.sleep(0.01)\nwait()\n"}
    for budget_s in (2.0, 20.0, 80.0):  # a busy machine is given more
        output = profile(endless, "app.py", budget_s=budget_s, memory=True)
        assert output.data["interrupted"] is True
        if any(item["function"] == "wait" for item in output.data["hot"]):
            break
    assert output.data["hot"][0]["function"] == "wait"
    assert any(item.subject == "the rest of the command" for item in output.not_analysed)
    assert output.data["memory"] is None
    assert any(item.subject == "memory" and "larger budget" in item.reason for item in output.not_analysed)


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ("    from pyinstrument import Profiler\n", "while True: pass\n"),
        ("        session = profiler.stop()\n", "X = 1\n"),
    ],
    ids=["begins", "ends"],
)
def test_an_interrupt_while_the_profiler_begins_or_ends_leaves_the_profile(
    before: str, code: str, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (profiler.INSIDE / profiler.PROFILER).read_text(encoding="utf-8")
    indent = before.removesuffix(before.lstrip())
    slow = tmp_path / "inside" / profiler.PROFILER
    slow.parent.mkdir()
    slow.write_text(whole.replace(before, f"{indent}_sleep(2)\n{before}"), encoding="utf-8")
    assert slow.read_text(encoding="utf-8") != whole
    monkeypatch.setattr(profiler, "INSIDE", slow.parent)
    assert profile({"app.py": code}, "app.py", budget_s=1.0).data["interrupted"] is True


HUNGRY = """
import json
import threading
import time


def build():
    return [str(number) * 20 for number in range(100_000)]


def parse():
    return json.loads("[" + ",".join(f'"name {number}"' for number in range(40_000)) + "]")


def wait_until_looked_at():
    watch = next(each for each in threading.enumerate() if each.name == "watch-memory")
    while watch.snapshot is None or watch.held < 10_000_000:
        time.sleep(0.01)


def main():
    built = build()
    wait_until_looked_at()
    del built
    return parse()


KEPT = main()
"""


def test_memory_is_found_at_the_lines_that_ask_for_it(profile: Profile, tmp_path: Path) -> None:
    output = profile({"hungry.py": HUNGRY}, "hungry.py", memory=True)
    memory = output.data["memory"]
    first, last = memory["at_peak"][0], memory["at_end"][0]
    assert (first["file"], first["line"], first["kind"]) == ("hungry.py", 8, "target")
    assert first["source"].startswith("return [str(number)")
    assert first["share"] > 0.8
    assert 10_000_000 < memory["seen_bytes"] <= memory["peak_bytes"] < output.data["peak_rss_bytes"]
    # what a library builds counts for the line that called it
    assert (last["file"], last["line"]) == ("hungry.py", 12)
    assert 40_000 <= last["blocks"] < 41_000
    assert "MiB of Python's memory at the peak" in output.summary
    record = memory["record"]
    shutil.copy(tmp_path / "out" / record["needs_file"], tmp_path / "target")
    assert wrong({"memory": memory}, tmp_path / "target") == []


@pytest.mark.parametrize(
    ("command", "reason", "code"),
    [
        (("ls",), "`ls` is no Python program", "incompatible_task"),
        ((), "nothing to profile", "incompatible_task"),
        (("python", "-c", "import os; os._exit(7)"), "no profile \\(exit status 7\\)", "engine_failed"),
    ],
)
def test_what_cannot_be_profiled(profile: Profile, command: tuple[str, ...], reason: str, code: str) -> None:
    with pytest.raises(EngineError, match=reason) as caught:
        profile({"app.py": ""}, *command)
    assert caught.value.code == code
