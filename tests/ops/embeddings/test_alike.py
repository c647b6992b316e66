"""Which pieces are nearest."""

import sys

import pytest

from ops.embeddings import EmbeddingsUnusable, Endpoint
from ops.embeddings.alike import MOST, nearest
from ops.embeddings.parts import Part
from ops.embeddings.vectors import unit


def test_a_piece_is_as_near_as_its_nearest_part() -> None:
    parts = [Part(1, 0, ""), Part(1, 9, ""), Part(2, 0, ""), Part(3, 0, "")]
    vectors = [unit([0, 1]), unit([1, 0]), unit([1, 1]), unit([-1, 0])]
    assert list(nearest(parts, vectors, unit([1, 0])).items()) == [(1, 9), (2, 0), (3, 0)]
    assert nearest([], [], unit([1])) == {}


def test_only_the_nearest_are_told_and_the_first_of_equals() -> None:
    parts = [Part(row, 0, "") for row in range(MOST + 5, 0, -1)]
    assert list(nearest(parts, [unit([1])] * len(parts), unit([1]))) == list(range(1, MOST + 1))


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(EmbeddingsUnusable, match=r"pip install 'sanctuary-bus\[embeddings\]'"):
        Endpoint("any")
