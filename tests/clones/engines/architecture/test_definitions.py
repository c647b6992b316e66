"""Dead code, duplicates and the public surface: what is told, and what has to be spared."""

from pathlib import Path
from typing import Any

import pytest

from clones.engines.architecture import definitions
from tests.clones.engines.architecture.checking import wrong
from tests.clones.engines.architecture.projects import run, write

USER = "from p.a import used\n\ndef test_it():\n    assert used() == 1\n"
DEAD = {
    "p/__init__.py": "",
    "p/a.py": """\
def used():
    return 1

def _dead():
    return _dead

def offered():
    return 3

class Keeper:
    def kept(self):
        return 4

    def left(self):
        return 5

KEEPER = Keeper().kept
""",
    "tests/test_a.py": USER,
}


def unused(output_data: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["confidence"] for row in output_data["unused"]}


def test_what_nothing_refers_to_is_told_with_how_sure_it_is(tmp_path: Path) -> None:
    target = write(tmp_path / "t", DEAD)
    output = run(target, tmp_path / "out")
    assert unused(output.data) == {"_dead": "high", "offered": "medium", "Keeper.left": "low"}
    rows = {row["name"]: row for row in output.data["unused"]}
    assert (rows["_dead"]["file"], rows["_dead"]["line"]) == ("p/a.py", 4)
    assert rows["_dead"]["expected"] == "p/a.py:4\np/a.py:5"
    assert wrong(output.data, target, tmp_path / "out") == []


@pytest.mark.parametrize(
    "files",
    [
        {"p/b.py": "from p import a\nprint(getattr(a, '_de' 'ad'))"},
        {"p/b.py": "from p import a\ndef f(k):\n    return getattr(a, f'_de{k}')\nf('ad')\n__all__ = ['f']", "README.md": "_dead"},
        {"p/b.py": "def call(kind, a):\n    return getattr(a, '_' + kind)\ncall\nX = '_dead'"},
        {"docs/api.rst": ".. autofunction:: p.a._dead"},
        {"pyproject.toml": "[project.scripts]\nx = 'p.a:_dead'"},
        {"examples/e.py": "from p.a import _dead"},
        {"p/a.py": DEAD["p/a.py"].replace("def _dead", "@register\ndef _dead")},
    ],
)  # fmt: skip
def test_names_that_are_mentioned_anywhere_or_registered_are_spared(tmp_path: Path, files: dict[str, str]) -> None:
    output = run(write(tmp_path / "t", {**DEAD, **files}), tmp_path / "out")
    assert "_dead" not in unused(output.data)


@pytest.mark.parametrize(
    "head",
    [
        "from framework import Base\nclass Own(Base):",
        "import framework\nclass Own(framework.Base):",
        "from framework import Own as Own_\nclass Between(Own_):\n    pass\nclass Own(Between):",
        "from framework import Own\nclass Own(Own):",
        "class Own(metaclass=M):",
        "from x import seen\n@seen\nclass Own:",
        "class Own(BaseException):",
    ],
)
def test_methods_that_something_outside_may_call_are_spared(tmp_path: Path, head: str) -> None:
    source = f"{head}\n    def with_traceback(self):\n        return 1\n\nprint(Own)\n"
    output = run(write(tmp_path / "t", {"p/__init__.py": "", "p/a.py": source}), tmp_path / "out")
    assert unused(output.data) == {}


BODY = """\
def {name}({one}, other: int = {number}) -> int:
    '''{name} has words of its own.'''
    total = {number}
    for item in {one}.values():
        if item.weight > {number} and other:
            total += item.weight * {number}
        else:
            total -= other
    if total < {number} and other:
        raise ValueError("{name}")
    {one}.log("{name}", total)
    return total
"""


def test_functions_of_the_same_shape_are_a_group(tmp_path: Path) -> None:
    first = BODY.format(name="weigh", one="cart", number=1)
    second = BODY.format(name="measure", one="basket", number=20)
    files = {"p/__init__.py": "", "p/a.py": first, "p/b.py": f"import os\n\n\n{second}", "p/c.py": "X = 1\n"}
    target = write(tmp_path / "t", files)
    output = run(target, tmp_path / "out")
    (group,) = output.data["duplicates"]
    assert [(row["name"], row["file"], row["line"]) for row in group["members"]] == [
        ("weigh", "p/a.py", 1),
        ("measure", "p/b.py", 4),
    ]
    assert (group["alike"], group["count"], group["spare_lines"]) == (1.0, 2, 12)
    assert wrong(output.data["duplicates"], target, tmp_path / "out") == []


def test_what_calls_something_else_is_no_duplicate(tmp_path: Path) -> None:
    first = BODY.format(name="weigh", one="cart", number=1)
    second = first.replace(".weight", ".price").replace(".values", ".items").replace("-=", "/=").replace("log", "send")
    output = run(write(tmp_path / "t", {"p/__init__.py": "", "p/a.py": first, "p/b.py": second}), tmp_path / "out")
    assert output.data["duplicates"] == []


def test_a_class_that_is_copied_is_one_group(tmp_path: Path) -> None:
    indented = "".join(f"    {line}\n" for line in BODY.format(name="weigh", one="cart", number=1).splitlines())
    whole = f"class {{}}:\n    kind = 'x'\n\n{indented}".replace("{}", "%s")
    files = {"p/__init__.py": "", "p/a.py": whole % "One", "p/b.py": whole % "Two"}
    (group,) = run(write(tmp_path / "t", files), tmp_path / "out").data["duplicates"]
    assert (group["kind"], [row["name"] for row in group["members"]]) == ("class", ["One", "Two"])


def test_the_public_surface_is_counted_as_ast_counts_it(tmp_path: Path) -> None:
    files = {**DEAD, "p/_inner.py": "def f(): pass\n", "p/__init__.py": "from p.a import used\n__all__ = ['used']\n"}
    target = write(tmp_path / "t", files)
    output = run(target, tmp_path / "out")
    surface = output.data["surface"]
    assert (surface["modules"], surface["functions"], surface["classes"], surface["methods"]) == (2, 2, 1, 2)
    rows = {row["module"]: row for row in surface["modules_listed"]}
    assert rows["p.a"]["names"] == ["Keeper", "offered", "used"]
    assert rows["p"]["declared"] == 1
    assert wrong(surface, target, tmp_path / "out") == []


def test_when_the_time_is_over_it_is_told(tmp_path: Path) -> None:
    target = write(tmp_path / "t", DEAD)
    left = iter([False, True])
    found, told = definitions.read(target, ["p/__init__.py", "p/a.py"], frozenset(), lambda: next(left))
    assert list(found) == ["p/__init__.py"]
    assert "1 of 2 Python files" in told[0].reason


def test_languages_are_counted_with_and_without_functions(tmp_path: Path) -> None:
    files = {**DEAD, "web/app.js": "function f(a) {\n  return a ? 1 : 2;\n}\n", "web/a.css": "a {\n\n  color: red }\n"}
    output = run(write(tmp_path / "t", files), tmp_path / "out")
    rows = {row["language"]: row for row in output.data["languages"]}
    assert (rows["JavaScript"]["files"], rows["JavaScript"]["nloc"], rows["JavaScript"]["mean_complexity"]) == (
        1,
        3,
        2.0,
    )
    assert output.data["plain_languages"] == [{"language": "CSS", "files": 1, "lines": 2}]


@pytest.mark.parametrize(
    "source",
    [
        "if x == 0:\n    pass\n" + "".join(f"elif x == {index}:\n    pass\n" for index in range(900)),
        "class A(b" + ".c" * 900 + "):\n    pass\n",
        "x = " + "[" * 80 + "]" * 80 + "\n",
        "x = " + "+".join("y" for _ in range(900)) + "\n",
    ],
    ids=["elif", "attributes", "lists", "sum"],
)
def test_deep_code_harms_nothing(tmp_path: Path, source: str) -> None:
    output = run(write(tmp_path / "t", {**DEAD, "p/deep.py": f"{source}def _last():\n    pass\n"}), tmp_path / "out")
    assert "_dead" in unused(output.data)
