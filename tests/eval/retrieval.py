"""Sigma's search on questions in other words than the text's: about real packages, and about this repository's documents."""

import importlib.util
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from clones.engines.knowledge import index, project
from clones.engines.knowledge.search import search, words_of
from tests.eval.labels import Score
from tests.eval.outcome import Part, Row, Told, Verdict, total

REPOSITORY = Path(__file__).parents[2]
OURS = "ask"
PLAIN = "SQLite's FTS5"
LIMIT = 5
LEAST_FIRST, LEAST_AMONG_FIVE = 0.45, 0.7
"""What is found as the first answer, and among the first five."""
_FIRST, _AMONG = "the first answer", f"the first {LIMIT}"

Found = Sequence[tuple[str, str]]
"""File and name of each passage, the best one first."""


class Labelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, and the symbols or files any of which answers it."""

    project: str
    question: str
    answers: tuple[str, ...]


def labelled() -> list[Labelled]:
    """Return the questions."""
    questions = (REPOSITORY / "tests/eval/questions.json").read_bytes()
    return msgspec.json.decode(questions, type=list[Labelled])


def copied(name: str, into: Path) -> Path:
    """Return a directory with the project alone in it."""
    if name == "docs":
        shutil.copytree(REPOSITORY / "docs", into / "docs")
        return into
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the package {name} is not installed")
    shutil.copytree(Path(found.origin).parent, into / name, ignore=shutil.ignore_patterns("__pycache__"))
    return into


def indexed(directory: Path) -> dict[str, Path]:
    """Write the index of each project that is asked about below `directory`; returns where they are."""
    paths = {}
    for name in sorted({each.project for each in labelled()}):
        target = copied(name, directory / name / "target")
        paths[name] = directory / name / index.FILE
        index.write(paths[name], project.read(target).entries)
    return paths


def ours(path: Path, question: str) -> Found:
    """Search as `sanctuary ask` does."""
    return [(passage.file, passage.name) for passage in search(path, question, LIMIT)]


def place(asked: Labelled, found: Found) -> int | None:
    """Return where the first right answer stands, counted from 1; a method is a place in its class."""
    told = [(file, *_holders(name)) for file, name in found]
    return next((at for at, names in enumerate(told, 1) if {*names} & {*asked.answers}), None)


def measure(tell: Told) -> Part:
    """Ask all questions, by our search and by FTS5's own rank over the same index."""
    rows: list[Row] = []
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as scratch:
        tell("indexing")
        indexes = indexed(Path(scratch))
        for engine, ask in {OURS: ours, PLAIN: _plain}.items():
            tell(engine)
            places, seconds = _asked(indexes, ask)
            rows += [
                Row(material=f"{name}: {what}", engine=engine, score=_score(each.values(), most), seconds=seconds[name])
                for name, each in places.items()
                for what, most in ((_FIRST, 1), (_AMONG, LIMIT))
            ]
            if engine == OURS:
                missed = [f"missed: {asked}" for each in places.values() for asked, at in each.items() if at is None]
    rows.sort(key=lambda row: row.material)
    sums = [
        (total([row for row in rows if row.material.endswith(what)], f"all: {what}"), least, what)
        for what, least in ((_FIRST, LEAST_FIRST), (_AMONG, LEAST_AMONG_FIVE))
    ]
    return Part(
        name="retrieval",
        title="questions in other words than the text's",
        rows=(*rows, *(row for of_all, _, _ in sums for row in of_all)),
        verdicts=tuple(_verdict(of_all, least, what) for of_all, least, what in sums),
        wrong=tuple(missed),
    )


def _asked(
    indexes: Mapping[str, Path], ask: Callable[[Path, str], Found]
) -> tuple[dict[str, dict[str, int | None]], dict[str, float]]:
    """Return by project where each question's answer stands, and the seconds that its questions took."""
    places: dict[str, dict[str, int | None]] = {name: {} for name in indexes}
    seconds = dict.fromkeys(indexes, 0.0)
    for asked in labelled():
        begin = time.monotonic()
        found = ask(indexes[asked.project], asked.question)
        seconds[asked.project] += time.monotonic() - begin
        places[asked.project][asked.question] = place(asked, found)
    return places, seconds


def _plain(path: Path, question: str) -> Found:
    query = " OR ".join(f'"{word}"' for word in words_of(question))
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT file, name FROM knowledge WHERE knowledge MATCH ? ORDER BY rank LIMIT ?", (query, LIMIT)
        ).fetchall()


def _score(places: Collection[int | None], most: int) -> Score:
    hit = sum(at is not None and at <= most for at in places)
    return Score(hit=hit, missed=len(places) - hit)


def _verdict(rows: Sequence[Row], least: float, what: str) -> Verdict:
    recall = {row.engine: row.score.recall for row in rows if row.score is not None}
    text = f"{OURS} finds at least {least:.2f} by {what}, and no less than {PLAIN}: {recall[OURS]:.2f}, {recall[PLAIN]:.2f}"
    return Verdict(text=text, holds=recall[OURS] >= max(least, recall[PLAIN]))


def _holders(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
