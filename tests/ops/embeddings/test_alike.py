"""Which pieces are nearest."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from clones.engines.knowledge import index
from clones.engines.knowledge.index import Entry
from ops.embeddings import EmbeddingsUnusable, Endpoint
from ops.embeddings.alike import MOST, nearest
from ops.embeddings.parts import Part
from ops.embeddings.vectors import unit

alike = import_module("ops.embeddings.alike")  # the package has its function under that name


def test_a_piece_is_as_near_as_its_nearest_part() -> None:
    parts = [Part(1, 0, ""), Part(1, 9, ""), Part(2, 0, ""), Part(3, 0, "")]
    vectors = [unit([0, 1]), unit([1, 0]), unit([1, 1]), unit([-1, 0])]  # the last says the contrary
    assert list(nearest(parts, vectors, unit([1, 0])).items()) == [(1, 9), (2, 0)]
    assert nearest([], [], unit([1])) == {}


def test_only_the_nearest_are_told_and_the_first_of_equals() -> None:
    parts = [Part(row, 0, "") for row in range(MOST + 5, 0, -1)]
    assert list(nearest(parts, [unit([1])] * len(parts), unit([1]))) == list(range(1, MOST + 1))


async def test_more_than_is_kept_is_refused_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alike, "MAX_VECTORS", 2)
    entries = [Entry(kind="file", name=name, file="f", line=1, text="x") for name in "abc"]
    index.write(tmp_path / index.FILE, entries)
    nobody: Any = None
    with pytest.raises(EmbeddingsUnusable, match=r"3 parts .* 2 is the most: name a smaller --target"):
        await alike.alike(tmp_path / index.FILE, "x", nobody, nobody, lambda *_: None)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(EmbeddingsUnusable, match=r"pip install 'sanctuary-bus\[embeddings\]'"):
        Endpoint("any")
