"""Profiles at two revisions: what is told of their difference, and of its noise."""

from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.performance import analyse
from clones.engines.running.compared import Change, functions
from clones.params import PerformanceParams
from tests.clones.engines.claims import wrong
from tests.clones.engines.history import History

WORK = """
import time


def work():
    end = time.perf_counter() + {seconds}
    while time.perf_counter() < end:
        pass


def other():
    time.sleep(0.01)


work()
other()
"""


def run(history: History, out: Path, **params: Any) -> EngineOutput:
    out.mkdir()
    settings = PerformanceParams(target=str(history.root), command=("job.py",), budget_s=60.0, memory=False, **params)
    return analyse(history.root, settings, out, lambda *_: None)


def test_a_slower_function_is_named_with_its_noise(tmp_path: Path) -> None:
    history = History(tmp_path / "job")
    history.commit("Begin", {"job.py": WORK.format(seconds=0.1)})
    history.git("tag", "v1")
    history.commit("Work more", {"job.py": "# longer\n" + WORK.format(seconds=0.5)})
    output = run(history, tmp_path / "out", against="v1", rounds=3)
    compared = output.data["compared"]
    assert (compared["against"], compared["rounds"]) == ("v1", 3)
    assert compared["wall"]["certain"] and 0.2 < compared["wall"]["change_s"] < 1.0
    first = compared["functions"][0]
    assert (first["file"], first["function"], first["commits"], first["certain"]) == ("job.py", "work", 1, True)
    assert "slower than v1" in output.summary and "most of it in work" in output.summary
    assert wrong(compared, history.root) == []
    assert output.data["hot"][0]["function"] == "work"
    assert history.git("status", "--porcelain") == ""


def test_a_revision_that_is_not_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    history = History(tmp_path / "job")
    history.commit("Begin", {"job.py": WORK.format(seconds=0.1)})
    with pytest.raises(EngineError, match="has no revision 'v9'"):
        run(history, tmp_path / "out", against="v9")


def test_where_the_earlier_one_cannot_be_profiled_the_profile_stays(tmp_path: Path) -> None:
    history = History(tmp_path / "job")
    history.commit("Begin", {"job.py": "import os\n\nos._exit(3)\n"})
    history.git("tag", "v1")
    history.commit("Work", {"job.py": WORK.format(seconds=0.1)})
    output = run(history, tmp_path / "out", against="v1", rounds=2)
    assert output.data["compared"] is None
    assert "not compared: the program at v1 left no profile" in output.summary
    assert output.data["hot"][0]["function"] == "work"


def test_rounds_that_overlap_are_no_certain_change() -> None:
    noisy = Change(before=(1.0, 1.2, 1.1), after=(1.15, 1.3, 1.4))
    assert not noisy.certain
    assert noisy.plain()["change_s"] == 0.2
    assert noisy.plain()["noise_s"] == 0.25
    assert Change(before=(1.0, 1.1), after=(1.2, 1.3)).certain
    assert Change(before=(1.0, 1.1), after=(0.8, 0.9)).certain


def test_what_is_certain_comes_first_and_what_no_sample_sees_is_left_out() -> None:
    before = [{("a", "f"): 1.0, ("a", "g"): 0.5, ("a", "h"): 0.1}] * 2
    after = [
        {("a", "f"): 0.9, ("a", "g"): 0.6, ("a", "h"): 0.1},
        {("a", "f"): 1.9, ("a", "g"): 0.61, ("a", "new"): 0.2},
    ]
    assert [place for place, _ in functions(before, after)] == [("a", "g"), ("a", "f"), ("a", "new"), ("a", "h")]
