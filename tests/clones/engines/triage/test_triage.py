"""Delta's `triage` on small repositories: real runs of pytest, real history, and each statement's own check."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.triage import analyse
from clones.engines.triage.bisecting import bisect
from clones.engines.triage.frames import Frame, frames
from clones.params import TriageParams
from tests.clones.engines.claims import wrong
from tests.clones.engines.history import History

Triage = Callable[..., EngineOutput]

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time

CART = "def total(items):\n    return sum(items)\n"
BROKEN = "def total(items):\n    return sum(items) + 1 / len(items)\n"
TESTS = "from cart import total\n\n\ndef test_total():\n    assert total([]) == 0\n"


@pytest.fixture
def triage(tmp_path: Path) -> Triage:
    def run(target: Path, **params: Any) -> EngineOutput:
        (tmp_path / "out").mkdir(exist_ok=True)
        settings = {"repeats": 2, "budget_s": 500.0, **params}
        return analyse(target, TriageParams(target=str(target), **settings), tmp_path / "out", lambda *_: None)

    return run


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "shop")


def test_a_failure_has_its_place_its_suspects_and_the_commit_that_brought_it(
    triage: Triage, history: History, tmp_path: Path
) -> None:
    history.commit("Begin", {"cart.py": CART, "README": "x\n"})
    history.git("tag", "v1")
    history.commit("Write more", {"README": "more\n"})
    bad = history.commit("Share the cost", {"cart.py": BROKEN}, author="Grace Hopper")
    history.commit("Write the test", {"tests/test_cart.py": TESTS})
    history.commit("Write on", {"README": "on\n"})
    data = triage(history.root).data
    (subject,) = data["subjects"]
    assert (subject["test"], subject["verdict"], subject["runs"]) == ("tests/test_cart.py::test_total", "always", 2)
    assert subject["place"] == {"file": "cart.py", "line": 2, "function": "total"}
    assert [frame["file"] for frame in subject["frames"]] == ["tests/test_cart.py", "cart.py"]
    assert "ZeroDivisionError" in subject["message"]
    assert [(item["subject"], item["files"]) for item in data["suspects"]] == [
        ("Share the cost", ["cart.py"]),
        ("Write the test", ["tests/test_cart.py"]),
    ]
    # The test did not exist at most of these commits: it is tried there as it is today.
    assert data["bisect"]["found"]
    assert (data["bisect"]["first_bad"]["commit"], data["bisect"]["first_bad"]["author"]) == (bad, "Grace Hopper")
    assert wrong(data, history.root) == []
    assert history.git("status", "--porcelain") == ""
    assert (tmp_path / "out" / "triage.md").read_text().startswith("# Triage of shop")


def test_the_commit_that_brought_it_is_a_suspect_though_no_frame_is_in_its_files(
    triage: Triage, history: History
) -> None:
    test = "from cart import total\n\n\ndef test_total():\n    assert total([]) == 0\n"
    good = history.commit("Begin", {"cart.py": "def total(prices):\n    return 0\n", "tests/test_cart.py": test})
    history.commit("Charge", {"cart.py": "def total(prices):\n    return 1\n"})
    data = triage(history.root, since=good).data
    assert [frame["file"] for frame in data["subjects"][0]["frames"]] == ["tests/test_cart.py"]
    assert [(item["subject"], item["files"]) for item in data["suspects"]] == [("Charge", ["cart.py"])]
    assert wrong(data, history.root) == []


def test_a_test_that_follows_the_order_of_hashing(triage: Triage, history: History) -> None:
    seeded = "import sys\n\n\ndef test_first():\n    assert hash('a') % 2 == hash('a') % 2\n    assert {SEED}\n"
    body = seeded.replace("{SEED}", "__import__('os').environ.get('PYTHONHASHSEED') != '1'")
    history.commit("Begin", {"tests/test_seed.py": body})
    (subject,) = triage(history.root, tests=("tests/test_seed.py::test_first",), repeats=3).data["subjects"]
    assert (subject["verdict"], subject["failed_seeds"]) == ("hash order", [1])
    assert wrong(subject, history.root) == []


def test_a_test_that_fails_only_behind_another(triage: Triage, history: History) -> None:
    body = "kept = []\n\n\n" + "".join(f"def test_{name}():\n    pass\n\n\n" for name in "ab")
    body += "def test_leaves():\n    kept.append(1)\n\n\n" + "".join(
        f"def test_{name}():\n    pass\n\n\n" for name in "cd"
    )
    body += "def test_victim():\n    assert not kept\n"
    history.commit("Begin", {"tests/test_order.py": body})
    name = "tests/test_order.py::test_victim"
    for wanted in ((name,), ()):  # named, and found by running all
        (subject,) = triage(history.root, tests=wanted).data["subjects"]
        assert (subject["verdict"], subject["polluters"]) == ("after others", ["tests/test_order.py::test_leaves"])
    assert wrong(subject, history.root) == []


def test_a_command_that_fails(triage: Triage, history: History) -> None:
    good = history.commit("Begin", {"job.py": "import cart\n\nprint(cart.total([]))\n", "cart.py": CART})
    bad = history.commit("Share the cost", {"cart.py": BROKEN})
    data = triage(history.root, command=("python", "job.py"), since=good).data
    (subject,) = data["subjects"]
    assert subject["verdict"] == "always"
    assert subject["message"] == "ZeroDivisionError: division by zero"
    assert [(frame["file"], frame["line"]) for frame in subject["frames"]] == [("job.py", 3), ("cart.py", 2)]
    assert data["bisect"]["first_bad"]["commit"] == bad
    assert data["bisect"]["good"] == good


def test_what_passes_is_said_to_pass(triage: Triage, tmp_path: Path) -> None:
    target = tmp_path / "plain"
    (target / "tests").mkdir(parents=True)
    (target / "cart.py").write_text(CART)
    (target / "tests/test_cart.py").write_text(TESTS)
    output = triage(target)
    assert output.data["subjects"] == []
    assert output.summary == "Nothing fails: all tests that ran passed."
    output = triage(target, tests=("tests/test_cart.py::test_total",))
    assert output.data["subjects"][0]["verdict"] == "never"
    assert wrong(output.data, target) == []
    assert "suspects" in {item.subject for item in output.not_analysed}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"tests": ("../x.py::test",)}, "is no test of the target"),
        ({"tests": ("--pdb",)}, "is no test of the target"),
        ({"tests": ("tests/a.py",), "command": ("python", "x.py")}, "give tests or a command, not both"),
        ({"since": "v9"}, "the target has no revision 'v9'"),
    ],
)
def test_what_cannot_be_done_is_said(triage: Triage, history: History, params: dict[str, Any], said: str) -> None:
    history.commit("Begin", {"cart.py": CART, "tests/test_cart.py": TESTS})
    with pytest.raises(EngineError, match=said):
        triage(history.root, **params)


LINE = [f"c{number}" for number in range(10)]


@pytest.mark.parametrize("first_bad", range(1, 10))
def test_halving_finds_the_first_bad_commit(first_bad: int) -> None:
    found = bisect(LINE, lambda commit: int(commit[1:]) < first_bad, has_time=lambda: True)
    assert (found.good, found.bad, found.between, found.note) == (f"c{first_bad - 1}", f"c{first_bad}", 0, "")
    assert len(found.tried) <= 6


def test_halving_goes_round_commits_that_cannot_tell_and_says_what_is_left() -> None:
    found = bisect(LINE, lambda c: None if c in ("c4", "c5") else int(c[1:]) < 5, has_time=lambda: True)
    assert (found.good, found.bad, found.between) == ("c3", "c6", 2)
    assert found.note.startswith("the commits between cannot tell")


@pytest.mark.parametrize(
    ("passes", "note"),
    [
        (lambda _: True, "it does not fail at HEAD as committed"),
        (lambda _: False, "it fails at the good revision already"),
        (lambda commit: None if commit == "c0" else False, "it cannot run there"),
    ],
)
def test_halving_checks_its_ends(passes: Callable[[str], bool | None], note: str) -> None:
    assert bisect(LINE, passes, has_time=lambda: True).note.startswith(note)


def test_halving_ends_with_its_time() -> None:
    found = bisect(LINE, lambda commit: int(commit[1:]) < 3, has_time=lambda: False)
    assert (found.good, found.bad, found.between, found.note) == ("c0", "c9", 8, "the time was used up")


def test_frames_are_the_projects_own() -> None:
    said = (
        "tests/test_a.py:5: in test_x\n    f()\n/usr/lib/python3/json/x.py:9: in g\npkg/a.py:7: in f\nE   ValueError\n"
    )
    assert frames(said, "/copy", {"tests/test_a.py", "pkg/a.py"}) == (
        Frame(file="tests/test_a.py", line=5, function="test_x"),
        Frame(file="pkg/a.py", line=7, function="f"),
    )
