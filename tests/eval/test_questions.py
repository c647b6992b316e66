"""How well questions in other words than the text's find it: real packages, and this repository's documents.

`pytest tests/eval/test_questions.py -s` prints the figures and what was missed.
"""

import importlib.util
import json
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from clones.engines.knowledge import index, project
from clones.engines.knowledge.search import Passage, search

REPOSITORY = Path(__file__).parents[2]
LIMIT = 5
LEAST_FIRST, LEAST_AMONG_FIVE = 0.45, 0.7
"""What is found as the first answer, and among the first five; measured values are above."""


class Labelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, and the symbols or files any of which answers it."""

    project: str
    question: str
    answers: tuple[str, ...]


def labelled() -> list[Labelled]:
    questions = (REPOSITORY / "tests/eval/questions.json").read_bytes()
    return msgspec.json.decode(questions, type=list[Labelled])


def copied(name: str, into: Path) -> Path:
    """Return a directory with the project alone in it."""
    if name == "docs":
        shutil.copytree(REPOSITORY / "docs", into / "docs")
        return into
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    shutil.copytree(Path(found.origin).parent, into / name, ignore=shutil.ignore_patterns("__pycache__"))
    return into


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    paths = {}
    for name in sorted({each.project for each in labelled()}):
        target = copied(name, tmp_path_factory.mktemp(name))
        paths[name] = tmp_path_factory.mktemp("index") / f"{name}.sqlite"
        assert index.write(paths[name], project.read(target).entries) > 0
    return paths


def place(asked: Labelled, found: list[Passage]) -> int | None:
    """Return where the first right answer stands, counted from 1."""
    # a method is a place in its class
    told = [(passage.file, *_holders(passage.name)) for passage in found]
    return next((at for at, names in enumerate(told, 1) if {*names} & {*asked.answers}), None)


def _holders(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def test_every_label_is_something_that_is_indexed(indexes: dict[str, Path]) -> None:
    known: dict[str, set[str]] = {}
    for name, path in indexes.items():
        connection = sqlite3.connect(path)
        known[name] = {each for row in connection.execute("SELECT name, file FROM knowledge") for each in row}
        connection.close()
    missing = [answer for each in labelled() for answer in each.answers if answer not in known[each.project]]
    assert missing == []


def test_questions_in_other_words_are_answered(indexes: dict[str, Path]) -> None:
    asked = labelled()
    places = [place(each, search(indexes[each.project], each.question, LIMIT)) for each in asked]
    first, among = (sum(at is not None and at <= most for at in places) / len(asked) for most in (1, LIMIT))
    missed = [each.question for each, at in zip(asked, places, strict=True) if at is None]
    print(  # noqa: T201  (the figures)
        f"\n{len(asked)} questions: {first:.2f} by the first answer, {among:.2f} by the first {LIMIT}\n"
        f"not: {json.dumps(missed, indent=1)}"
    )
    assert first >= LEAST_FIRST, missed
    assert among >= LEAST_AMONG_FIVE, missed
