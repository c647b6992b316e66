"""The labelled questions: what answers them is indexed, and is found often enough."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.eval import retrieval

pytestmark = pytest.mark.timeout(600)  # a busy machine takes its time


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return retrieval.indexed(tmp_path_factory.mktemp("indexes"))


def test_every_label_is_something_that_is_indexed(indexes: dict[str, Path]) -> None:
    known: dict[str, set[str]] = {}
    for name, path in indexes.items():
        with closing(sqlite3.connect(path)) as connection:
            known[name] = {each for row in connection.execute("SELECT name, file FROM knowledge") for each in row}
    missing = [answer for each in retrieval.labelled() for answer in each.answers if answer not in known[each.project]]
    assert missing == []


def test_questions_in_other_words_are_answered() -> None:
    part = retrieval.measure(lambda _: None)
    assert part.holds, (part.verdicts, part.wrong)
    assert {row.engine for row in part.rows} == {retrieval.OURS, retrieval.PLAIN}


def test_a_method_is_a_place_in_its_class() -> None:
    asked = retrieval.Labelled(project="p", question="q", answers=("p.Box",))
    assert retrieval.place(asked, [("a.py", "p.other"), ("p.py", "p.Box.open")]) == 2
    assert retrieval.place(asked, [("p.py", "p.Boxes")]) is None
