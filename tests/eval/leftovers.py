"""Gamma on a project that is made here: code that nothing uses beside code that only looks so, and copies beside what is like them."""

import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clones.engines.architecture import analyse
from clones.params import ArchitectureParams
from tests.eval.knots import counted, write
from tests.eval.outcome import Part, Row, Told, flawless

OURS = "architecture"
NAMED_ONCE = "names that stand once"
SAME_TEXT = "the same text"

_DEAD = {
    "shop/till.py": '''\
"""A till."""

import abc
import functools
import json

from shop.register import command

__all__ = ["exported"]


def used(value):
    return _helper(value)


def _helper(value):
    return value + 1


def _left_behind(value):
    return value + 2


def _calls_itself(value):
    return _calls_itself(value - 1) if value else 0


class _Forgotten:
    def open(self):
        return 1


def exported(value):
    return value


@command
def registered(value):
    return value


def handle_paid(value):
    return value


def dispatch(kind, value):
    return globals()[f"handle_{kind}"](value)


@functools.cache
def _cached_and_left():
    return 1


class Encoder(json.JSONEncoder):
    def default(self, value):
        return str(value)


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self):
        """Return it."""


class Square(Shape):
    def area(self):
        return 1

    def _never_asked(self):
        return 2


def main():
    return dispatch("paid", used(1)), Encoder, Square().area()


def shown_in_a_template(value):
    return value
''',
    "shop/register.py": '''\
"""Commands."""

COMMANDS = []


def command(function):
    COMMANDS.append(function)
    return function
''',
    "shop/__init__.py": "",
    "shop/page.html": "<p>{{ shown_in_a_template(3) }}</p>\n",
    "tests/test_till.py": "from shop.till import main\n\n\ndef test_main():\n    assert main()\n",
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n[project.scripts]\nshop = "shop.till:main"\n',
}
UNUSED = frozenset({"_left_behind", "_calls_itself", "_Forgotten", "_cached_and_left", "_never_asked"})
USED = frozenset(
    {
        *(
            "used",
            "_helper",
            "exported",
            "registered",
            "handle_paid",
            "dispatch",
            "Encoder",
            "default",
            "Shape",
            "area",
        ),
        *("Square", "main", "shown_in_a_template", "command"),
    }
)

_FIRST = """\
def report(rows, limit):
    found = {}
    for row in rows:
        key = row["name"].strip().lower()
        if not key:
            continue
        found.setdefault(key, []).append(float(row["price"]))
    best = sorted(found.items(), key=lambda item: (-sum(item[1]), item[0]))
    return [f"{name}: {sum(prices):.2f}" for name, prices in best[:limit]]
"""
_OTHER_WORK = """\
def lookup(rows, limit):
    left = list(rows)
    while left and len(left) > limit:
        middle = len(left) // 2
        if left[middle]["price"] > limit:
            left = left[:middle]
        else:
            left = left[middle:]
    total = sum(each["count"] for each in left if each["name"])
    return {"total": total, "first": left[0] if left else None}
"""
_LONG_BUT_OTHER_CALLS = """\
def archive(rows, limit):
    found = {}
    for row in rows:
        key = row.pop("name").rstrip().upper()
        if not key:
            break
        found.update({key: int(row["count"])})
    least = min(found.items(), key=lambda item: item[1])
    return {name: count * limit for name, count in found.items() if name != least}
"""


def _copies() -> dict[str, str]:
    renamed = re.sub(r"\brows\b", "lines", re.sub(r"\bfound\b", "groups", _FIRST)).replace("def report", "def overview")
    changed = _FIRST.replace("def report", "def digest").replace(
        '"{name}: {sum(prices):.2f}"', '"{name} = {sum(prices):.3f}"'
    )
    return {
        "sums/__init__.py": "",
        "sums/first.py": _FIRST,
        "sums/same.py": _FIRST,
        "sums/renamed.py": f'"""With other names, and a comment."""\n\n\n{renamed}'.replace(
            "    best =", "    # best\n    best ="
        ),
        "sums/changed.py": changed,
        "sums/other.py": _OTHER_WORK,
        "sums/calls.py": _LONG_BUT_OTHER_CALLS,
    }


COPIES = frozenset(f"sums/{name}.py" for name in ("first", "same", "renamed", "changed"))
DIFFERENT = frozenset({"sums/other.py", "sums/calls.py"})


def measure(tell: Told) -> Part:
    """Ask Gamma's engine about both, and the simplest means by which a person would look: names that stand once, equal text."""
    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as scratch:
        tell("code that nothing uses")
        dead, dead_s = _gamma(_DEAD, Path(scratch) / "dead")
        tell("copies")
        copies = _copies()
        alike, alike_s = _gamma(copies, Path(scratch) / "copies")
    unused = {str(row["name"]).rpartition(".")[2] for row in dead["unused"]}
    copied = {str(each["file"]) for group in alike["duplicates"] for each in group["members"]}
    rows = (
        Row(material="unused code", engine=OURS, score=counted(unused, UNUSED, USED), seconds=dead_s),
        Row(material="unused code", engine=NAMED_ONCE, score=counted(_once(_DEAD.values()), UNUSED, USED), seconds=0.0),
        Row(material="copies", engine=OURS, score=counted(copied, COPIES, DIFFERENT), seconds=alike_s),
        Row(material="copies", engine=SAME_TEXT, score=counted(_same(copies), COPIES, DIFFERENT), seconds=0.0),
    )
    return Part(
        name="leftovers",
        title="code that nothing uses, and code that stands several times",
        rows=rows,
        verdicts=(flawless(rows[:2], OURS, "unused code"), flawless(rows[2:], OURS, "copies")),
        wrong=(
            *(f"missed: {name} is unused" for name in sorted(UNUSED - unused)),
            *(f"false: {name} is used" for name in sorted(unused & USED)),
            *(f"missed: {name} holds a copy" for name in sorted(COPIES - copied)),
            *(f"false: {name} holds no copy" for name in sorted(copied & DIFFERENT)),
        ),
    )


def _gamma(files: Mapping[str, str], place: Path) -> tuple[dict[str, Any], float]:
    target, out = place / "target", place / "out"
    write(target, files)
    out.mkdir()
    begin = time.monotonic()
    data = analyse(target, ArchitectureParams(target=str(target)), out, lambda *_: None).data
    return data, time.monotonic() - begin


def _once(texts: Iterable[str]) -> set[str]:
    """Return the words that stand once in all files, as grep would count them."""
    words = Counter(word for text in texts for word in re.findall(r"\w+", text))
    return {word for word, count in words.items() if count == 1}


def _same(files: Mapping[str, str]) -> set[str]:
    """Return the files whose text, spaces aside, another one has too."""
    texts = {file: " ".join(text.split()) for file, text in files.items() if text}
    return {file for file, text in texts.items() if list(texts.values()).count(text) > 1}
