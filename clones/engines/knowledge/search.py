"""Answers to a question: the passages of an index that say most about its words, by BM25.

A question is taken word by word. BM25 is a sum over words, so each word is looked up alone: that tells which words a piece
has, lets another word for the same thing count for less than the word itself, and keeps a piece that says one rare word
often from standing above one that has all of them.

Who has another order of the pieces, by their meaning, gets both as one, by reciprocal rank fusion (Cormack, Clarke and
Büttcher, SIGIR 2009).
"""

import math
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from clones.engines.knowledge.vocabulary import STOP_WORDS, others_for

MAX_QUESTION_CHARS = 2000
MAX_WORDS = 24
WINDOW_LINES = 6
"""Of a passage that is shown."""
_SYNONYM = 0.6
"""What another word counts for."""
_PRIVATE = 0.7
"""What counts for where a name begins with an underscore: who asks is more often a user than a maintainer."""
_KINDS = {"test": 0.6, "changelog": 0.6, "file": 0.7, "people": 0.4, "conduct": 0.4, "licence": 0.4}
"""What kinds count for where it is not 1: what explains and does a thing is above what tries, tells or allows it."""
_FUSION_K = 60
"""The paper's: how little a place further up counts among the first."""
_MARK = "\x01"
_TERM = re.compile(r"[^\W_]+")


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: a few lines of a piece, and where they are."""

    kind: str
    name: str
    """The heading, the dotted name of the symbol, or what is known of the network under that name."""
    file: str
    line: int
    """The first line of `text`."""
    piece_line: int
    """Where the whole piece begins: its heading, its `def`."""
    text: str
    score: float
    """For comparing answers to one question in one way; higher is better."""


def words_of(question: str) -> list[str]:
    """Return the words that are looked for, each once: without those that every question has, unless it has no others."""
    found = list(dict.fromkeys(word.lower() for word in _TERM.findall(question[:MAX_QUESTION_CHARS])))
    telling = [word for word in found if word not in STOP_WORDS]
    return (telling or found)[:MAX_WORDS]


def search(path: Path, question: str, limit: int, alike: Mapping[int, int] | None = None) -> list[Passage]:
    """Return the best passages of the index at `path`, the best one first.

    `alike` has the rows of the index that another search found, the best one first, each with the line, counted from the
    piece's first, where the likest part of it begins. By default the words alone decide.
    """
    words = words_of(question)
    with closing(sqlite3.connect(path)) as connection:
        weights = _weights(connection)
        scores = _scores(connection, words, weights)
        if alike is not None:
            scores = _fused(_best_first(scores), list(alike), weights)
        best = _best_first(scores)[:limit]
        return [_passage(connection, row, scores[row], words, (alike or {}).get(row, 0)) for row in best]


def _best_first(scores: Mapping[int, float]) -> list[int]:
    return sorted(scores, key=lambda row: (-scores[row], row))


def _fused(by_words: Sequence[int], alike: Sequence[int], weights: Mapping[int, float]) -> dict[int, float]:
    scores = {row: 1 / (_FUSION_K + place) for place, row in enumerate(by_words, 1)}
    for place, row in enumerate(alike, 1):
        scores[row] = scores.get(row, 0.0) + weights[row] / (_FUSION_K + place)
    return scores


def _weights(connection: sqlite3.Connection) -> dict[int, float]:
    return {
        row: _KINDS.get(kind, 1.0) * (_PRIVATE if name.startswith("_") or "._" in name else 1.0)
        for row, kind, name in connection.execute("SELECT rowid, kind, name FROM knowledge")
    }


def _scores(connection: sqlite3.Connection, words: Sequence[str], weights: Mapping[int, float]) -> dict[int, float]:
    totals: dict[int, float] = {}
    covered: dict[int, float] = {}
    weight = 0.0
    for word in words:
        found = _rank(connection, [word])
        for row, score in _rank(connection, others_for(word)).items():
            found[row] = max(found.get(row, 0.0), score * _SYNONYM)
        # the rarer a word, the more the best score for it
        most = max(found.values(), default=0.0)
        weight += most
        for row, score in found.items():
            totals[row] = totals.get(row, 0.0) + score
            covered[row] = covered.get(row, 0.0) + most
    return {row: total * math.sqrt(covered[row] / weight) * weights[row] for row, total in totals.items()}


def _rank(connection: sqlite3.Connection, words: Sequence[str]) -> dict[int, float]:
    if not words:
        return {}
    found = connection.execute("SELECT rowid, -rank FROM knowledge WHERE knowledge MATCH ?", (_any_of(words),))
    # a word that most pieces have may count below nothing
    return {row: max(score, 1e-6) for row, score in found}


def _any_of(words: Sequence[str]) -> str:
    """Return the query for any of the words, each as it stands: none is an operator."""
    return " OR ".join(f'"{word}"' for word in words)


def _passage(connection: sqlite3.Connection, row: int, score: float, words: Sequence[str], likest: int) -> Passage:
    """Return what is shown of a piece: where most of the words are, and where there are none, from its `likest` line."""
    text, name, file, kind, line = connection.execute(
        "SELECT text, name, file, kind, line FROM knowledge WHERE rowid = ?", (row,)
    ).fetchone()
    query = _any_of([*words, *(other for word in words for other in others_for(word))])
    marked = connection.execute(
        "SELECT highlight(knowledge, 1, ?, '') FROM knowledge WHERE knowledge MATCH ? AND rowid = ?",
        (_MARK, query, row),
    ).fetchone()
    lines = (marked[0] if marked else text).split("\n")
    first = _best_window(lines) if marked else likest
    shown = [each.replace(_MARK, "") for each in lines[first : first + WINDOW_LINES]]
    return Passage(
        kind=kind,
        name=name,
        file=file,
        line=line + first,
        piece_line=line,
        text="\n".join(shown).rstrip(),
        score=round(score, 4),
    )


def _best_window(lines: Sequence[str]) -> int:
    """Return where the lines begin that have most of the words; the first such, and no empty line."""
    hits = [len({word.lower() for word in re.findall(rf"{_MARK}([^\W_]+)", line)}) for line in lines]
    starts = [at for at, line in enumerate(lines) if line.strip()] or [0]
    best = max(starts, key=lambda at: (sum(hits[at : at + WINDOW_LINES]), -at))
    return 0 if sum(hits[:WINDOW_LINES]) >= sum(hits[best : best + WINDOW_LINES]) else best
