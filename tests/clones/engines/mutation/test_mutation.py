"""Mutants of a small project: what its tests notice is what they are seen to notice by hand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.mutation import analyse, trying
from clones.engines.mutation.mutants import compiles, mutants
from clones.engines.mutation.trying import in_order
from clones.params import MutationParams as Params
from tests.clones.engines.claims import wrong
from tests.clones.engines.history import History
from tests.clones.engines.running.projects import project

SHOP = {
    "shop.py": """
def price(count, member):
    total = count * 3
    if count > 9 and member:
        total -= 1
    return total


def untested(a, b):
    return a + b
""",
    "tests/test_shop.py": """
from shop import price


def test_price():
    assert price(1, False) == 3
    assert price(20, True) == 59
""",
}


pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time


def run(target: Path, tmp_path: Path, **params: Any) -> EngineOutput:
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file() and ".git" not in path.parts}
    output = analyse(target, Params(target=str(target), **({"budget_s": 500.0} | params)), out, lambda *_: None)
    assert before == {
        path: path.read_bytes() for path in target.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    assert all((out / file.name).is_file() for file in output.files)
    return output


def by_hand(target: Path, source: bytes) -> bool:
    """Return whether pytest passes with `shop.py` as `source`."""
    (target / "shop.py").write_bytes(source)
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    env = {**os.environ, "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, cwd=target, env=env, capture_output=True, check=False).returncode == 0


def test_survivors_are_those_that_pytest_by_hand_lets_pass(tmp_path: Path) -> None:
    target = project(tmp_path / "target", SHOP)
    data = run(target, tmp_path, mutants=6, seed=1).data
    source = (target / "shop.py").read_bytes()
    everything = mutants("shop.py", source)
    reached = [mutant for mutant in everything if mutant.line < 8]
    sample = [mutant for mutant in in_order(reached, 1) if compiles(mutant.applied(source))][:6]
    copy = shutil.copytree(target, tmp_path / "by-hand")
    lives = sorted(mutant.diff(source) for mutant in sample if by_hand(copy, mutant.applied(source)))
    assert sorted(row["diff"] for row in data["survivors"]) == lives
    assert 0 < len(lives) < 6
    assert data["totals"] == {
        "mutants": len(everything),
        "no_tests": len(everything) - len(reached),
        "tried": 6,
        "killed": 6 - len(lives),
        "timeout": 0,
        "survived": len(lives),
        "score_percent": (6 - len(lives)) * 10000 // 6 / 100,
    }
    for row in (*data["survivors"][:2], *data["statements"]):
        shutil.copy2(tmp_path / "out" / row["needs_file"], target)
    assert wrong({"rows": [*data["survivors"][:2], *data["statements"]]}, target) == []


def test_a_loop_that_a_change_makes_endless_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "def count(n):\n    while n:\n        n -= 1  # nothing else\n"
    test = "from loop import count\n\ndef test_count():\n    count(2)\n"
    target = project(tmp_path / "target", {"loop.py": code, "test_loop.py": test})
    for start_s in (1.0, 10.0, 50.0):  # a busy machine is given more
        monkeypatch.setattr(trying, "_START_S", start_s)
        data = run(target, tmp_path).data
        if data["totals"]["timeout"] == 1:
            break
    assert (tmp_path / "out" / "mutants.txt").read_text(encoding="utf-8").splitlines() == [
        "survived loop.py:2 boolean",
        "timeout loop.py:3 arithmetic",
        "survived loop.py:3 constant",
    ]
    assert (data["totals"]["timeout"], data["totals"]["score_percent"]) == (1, 33.33)


def test_files_that_changed_and_files_that_are_named(tmp_path: Path) -> None:
    history = History(tmp_path / "shop")
    history.commit("Begin", {**SHOP, "other.py": "def f(a):\n    return a + 1\n"})
    history.git("tag", "v1")
    history.commit("Change", {"other.py": "def f(a):\n    return a + 2\n"})
    test = "from newer import g\nfrom other import f\n\ndef test_f(): assert f(1) == 3 and g(1) == 0\n"
    history.write({"tests/test_other.py": test, "newer.py": "def g(a):\n    return a - 1\n"})
    data = run(history.root, tmp_path, since="v1", mutants=1).data
    assert (data["chosen"], [row["file"] for row in data["files"]]) == ("changed since v1", ["newer.py", "other.py"])
    with pytest.raises(EngineError, match=r"no file '\.\./x\.py'"):
        analyse(history.root, Params(target=".", files=("../x.py",)), tmp_path / "out", lambda *_: None)


def test_without_tests_nothing_is_claimed(tmp_path: Path) -> None:
    output = run(project(tmp_path / "target", {"a.py": "def f():\n    return 1\n"}), tmp_path)
    assert not output.data["ran"]
    assert output.summary.startswith("No change was tried: the tests do not run (exit status 5)")
    assert output.not_analysed[-1].subject == "mutants"


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("return a < b", ["return None", "return a <= b"]),
        ("return (a) not in (b)", ["return None", "return (a) in (b)"]),
        ("x = a // b", ["x = None", "x = a / b"]),
        ("a **= 2", ["a *= 2", "a **= 3"]),
        ("x = 'é' or not b", ["x = None", "x = 'XXéXX' or not b", "x = 'é' and not b", "x = 'é' or  b"]),
        ("raise a(True)", ["pass", "raise a(False)"]),
        ("return f'{a + 1}'", ["return None"]),
        ("x: 'int' = 1", ["x: 'int' = 2"]),
        ("x = a + b  # pragma: no mutate", []),
        ("return None", []),
    ],
)
def test_what_is_changed_and_what_is_left(line: str, changed: list[str]) -> None:
    source = f'"""Doc."""\nX = 1 + 1\n\ndef f(a, b=3):\n    """Doc."""\n    {line}\n'.encode()
    found = [mutant.applied(source).decode().splitlines()[5].strip() for mutant in mutants("f.py", source)]
    assert sorted(found) == sorted(changed)


def test_what_is_no_python_has_no_mutants() -> None:
    assert mutants("f.py", b"def f(:\n") == mutants("f.py", b"\xff\xfe") == mutants("f.py", b"(" * 100_000) == []
