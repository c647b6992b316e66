"""Pieces in parts."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from clones.engines.knowledge import index
from clones.engines.knowledge.index import Entry
from ops.embeddings.parts import MAX_CHARS, Part, cut, of_index

LINES = st.lists(st.text(st.characters(exclude_characters="\n"), max_size=400), min_size=1, max_size=40)


@given(st.text(st.characters(exclude_characters="\n"), max_size=300), LINES)
def test_parts_are_all_lines_once_below_the_name(name: str, lines: list[str]) -> None:
    parts = list(cut(name, "\n".join(lines)))
    told = [(first + at, line) for first, part in parts for at, line in enumerate(part.split("\n")[1:])]
    assert told == list(enumerate(lines))
    assert all(len(part) <= MAX_CHARS and part.startswith(f"{name}\n") for _, part in parts)


def test_what_is_too_long_for_a_part_is_cut_off() -> None:
    [(first, part)] = cut("n", "x" * 5000)
    assert (first, len(part)) == (0, MAX_CHARS)
    assert list(cut("n" * 5000, "x")) == [(0, "n" * MAX_CHARS)]


def test_parts_of_an_index_name_their_rows(tmp_path: Path) -> None:
    entries = [Entry(kind="file", name=name, file="f", line=7, text=text) for name, text in (("a", "one"), ("b", ""))]
    index.write(tmp_path / index.FILE, entries)
    assert list(of_index(tmp_path / index.FILE)) == [Part(1, 0, "a\none"), Part(2, 0, "b\n")]
