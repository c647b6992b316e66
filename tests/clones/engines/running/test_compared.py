"""Profiles at two revisions: what is told of their difference, and of its noise."""

import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from scipy.stats import mannwhitneyu

from clones.engines import git
from clones.engines.contract import EngineError, EngineOutput
from clones.engines.environment import Environment
from clones.engines.performance import analyse
from clones.engines.regression import Pair, Profiled, compare
from clones.engines.running.compared import Change, functions, interval
from clones.params import PerformanceParams
from tests.clones.engines.claims import wrong
from tests.clones.engines.history import History

WORK = """
import time


def work():
    time.sleep({seconds})


work()
"""
MORE = """

def more():
    end = time.perf_counter() + 0.3
    while time.perf_counter() < end:
        pass


more()
"""

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time


def run(history: History, out: Path, **params: Any) -> EngineOutput:
    out.mkdir()
    settings = PerformanceParams(target=str(history.root), command=("job.py",), budget_s=500.0, memory=False, **params)
    return analyse(history.root, settings, out, lambda *_: None)


def test_what_each_profile_of_both_revisions_measures_is_told(tmp_path: Path) -> None:
    history = History(tmp_path / "job")
    history.commit("Begin", {"job.py": WORK.format(seconds=0.1)})
    history.git("tag", "v1")
    history.commit("Work more", {"job.py": WORK.format(seconds=0.1) + MORE})
    output = run(history, tmp_path / "out", against="v1", rounds=4)
    compared = output.data["compared"]
    assert (compared["against"], compared["rounds"]) == ("v1", 4)
    wall = compared["wall"]
    assert (len(wall["before_s"]), min(wall["before_s"]) >= 0.1) == (4, True)
    assert (len(wall["after_s"]), min(wall["after_s"]) >= 0.4) == (4, True)
    # what was not there before is slower now, whatever else the machine had to do
    more = next(row for row in compared["functions"] if row["function"] == "more")
    assert (more["file"], more["commits"], more["verdict"], more["certain"]) == ("job.py", 1, "slower", True)
    assert more["before_s"] == [0.0] * 4
    assert min(more["after_s"]) > 0.1
    assert "against v1" in output.summary or "than v1" in output.summary
    assert wrong(compared, history.root) == []
    assert history.git("status", "--porcelain") == ""


def test_a_slower_function_is_named_with_its_noise(tmp_path: Path) -> None:
    history = History(tmp_path / "job")
    history.commit("Begin", {"job.py": WORK.format(seconds=0.1)})
    history.git("tag", "v1")
    history.commit("Work more", {"job.py": "# longer\n" + WORK.format(seconds=0.5)})
    (tmp_path / "scratch").mkdir()
    here = Environment(python=sys.executable, kind="sanctuary", python_version="3")
    since = git.since(history.root, "v1")
    pair = Pair(now=history.root, scratch=tmp_path / "scratch", environment=here, earlier=since, name="v1")
    seconds = {"before": iter((9.0, 0.11, 0.12, 0.1, 0.14)), "after": iter((0.5, 0.55, 0.51, 0.52))}
    runs: list[str] = []

    def run_once(word: str, root: Path, place: Path, budget_s: float) -> Profiled:
        assert place.is_dir() and budget_s > 0
        assert (word == "after") == ("# longer" in (root / "job.py").read_text(encoding="utf-8"))
        runs.append(word)
        took = next(seconds[word])
        return Profiled(
            wall_s=took, cpu_s=0.01, own={("job.py", "work"): took, ("job.py", "f"): 0.01}, complete=True, exit_status=0
        )

    output = compare(
        EngineOutput(summary="Profiled.", data={}),
        history.root,
        pair,
        rounds=4,
        run_once=run_once,
        deadline=time.monotonic() + 500,
        progress=lambda *_: None,
    )
    # one to warm up; then each is the first in turn
    assert runs == ["before", *["before", "after", "after", "before"] * 2]
    compared = output.data["compared"]
    wall = compared["wall"]
    assert (wall["verdict"], wall["certain"], wall["confidence"]) == ("slower", True, 0.9714)
    assert (wall["change_s"], wall["noise_s"]) == (0.4, 0.05)
    assert 0 < wall["interval_s"][0] <= wall["change_s"] <= wall["interval_s"][1]
    (row,) = compared["functions"]
    assert (row["file"], row["function"], row["commits"], row["certain"]) == ("job.py", "work", 1, True)
    assert "slower than v1" in output.summary and "most of it in work" in output.summary
    assert wrong(compared, history.root) == []


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


def test_another_command_is_compared_in_the_same_tree(tmp_path: Path) -> None:
    history = History(tmp_path / "job")
    sleeps = "".join(f"def {name}():\n    time.sleep(0.1)\n\n\n" for name in ("one", "other"))
    history.commit("Begin", {"job.py": f"import sys, time\n\n\n{sleeps}globals()[sys.argv[1]]()\n"})
    settings = PerformanceParams(
        target=str(history.root),
        command="job.py one",
        beside=("job.py", "other"),
        rounds=4,
        budget_s=500.0,
        memory=False,
    )
    (tmp_path / "out").mkdir()
    compared = analyse(history.root, settings, tmp_path / "out", lambda *_: None).data["compared"]
    assert (compared["against"], compared["commit"], compared["rounds"]) == ("job.py other", None, 4)
    verdicts = {row["function"]: row["verdict"] for row in compared["functions"]}
    assert (verdicts["one"], verdicts["other"]) == ("slower", "faster")
    with pytest.raises(ValueError, match="not both"):
        PerformanceParams(target=".", beside=("job.py",), against="v1")


def test_rounds_that_overlap_show_no_difference() -> None:
    noisy = Change(before=(1.0, 1.2, 1.1, 1.05), after=(1.15, 1.3, 1.02, 1.4))
    assert noisy.verdict == "no difference seen"
    assert noisy.plain()["change_s"] == 0.15
    assert noisy.plain()["noise_s"] == 0.38
    assert Change(before=(1.0, 1.1, 1.2, 1.3), after=(1.4, 1.5, 1.6, 1.7)).verdict == "slower"
    assert Change(before=(1.0, 1.1, 1.2, 1.3), after=(0.6, 0.7, 0.8, 0.9)).verdict == "faster"


def test_three_rounds_are_too_few_for_a_verdict() -> None:
    few = Change(before=(1.0, 1.1, 1.2), after=(5.0, 5.1, 5.2))
    assert few.verdict == "no difference seen"
    assert few.plain()["confidence"] == 0.9
    assert few.plain()["interval_s"] == [3.8, 4.2]


@pytest.mark.parametrize(("m", "n"), [(4, 4), (5, 5), (4, 7), (10, 10)])
def test_the_interval_leaves_out_no_shift_just_where_the_mann_whitney_test_rejects_it(m: int, n: int) -> None:
    random = Random(m * n)  # noqa: S311 -- a seed, for the same values every time
    verdicts = set()
    for shift in range(12):
        before = [random.gauss(0, 1) for _ in range(m)]
        after = [random.gauss(shift / 4, 1) for _ in range(n)]
        low, high, confidence = interval(before, after)
        rejected = bool(mannwhitneyu(before, after, method="exact").pvalue <= 0.05)
        assert rejected == (not low <= 0 <= high)
        assert confidence >= 0.95
        verdicts.add(rejected)
    assert verdicts == {True, False}


def test_what_is_certain_comes_first_and_what_no_sample_sees_is_left_out() -> None:
    before = [{("a", "f"): 1.0, ("a", "g"): 0.5 + number / 1000, ("a", "h"): 0.1} for number in range(4)]
    after = [
        {("a", "f"): each, ("a", "g"): 0.6 + each / 1000, ("a", "h"): 0.1, ("a", "new"): 0.2}
        for each in (0.9, 1.9, 0.8, 2)
    ]
    names = [place[1] for place, _ in functions(before, after)]
    assert names == ["new", "g", "f"]
