"""The order by words and one by meaning, as one."""

from pathlib import Path

from clones.engines.knowledge import index
from clones.engines.knowledge.index import Entry
from clones.engines.knowledge.search import search

TEXTS = {
    "Drawers": "how a drawer is opened",
    "Coins": "small money\nand where it is kept\nby whom",
    "Keys": "a drawer has a key",
    "Weather": "it rains",
}
ROWS = {name: row for row, name in enumerate(TEXTS, 1)}


def written(directory: Path, kind: str = "section") -> Path:
    path = directory / index.FILE
    index.write(path, [Entry(kind=kind, name=name, file="a.md", line=10, text=text) for name, text in TEXTS.items()])
    return path


def names(path: Path, alike: dict[int, int] | None, limit: int = 10) -> list[str]:
    return [passage.name for passage in search(path, "opened drawer", limit, alike)]


def test_without_another_order_words_alone_decide(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert names(path, None) == names(path, {}) == ["Drawers", "Keys"]


def test_what_both_find_is_above_what_one_finds(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert names(path, {ROWS["Coins"]: 0, ROWS["Keys"]: 0}) == ["Keys", "Drawers", "Coins"]
    assert names(path, {ROWS["Coins"]: 0, ROWS["Drawers"]: 0}, limit=2) == ["Drawers", "Coins"]


def test_a_passage_with_none_of_the_words_is_shown_from_its_likest_line(tmp_path: Path) -> None:
    [_, coins, _] = search(written(tmp_path), "opened drawer", 3, {ROWS["Coins"]: 1})
    assert (coins.name, coins.line, coins.piece_line, coins.text) == ("Coins", 11, 10, "and where it is kept\nby whom")


def test_kinds_weigh_by_meaning_as_they_do_by_words(tmp_path: Path) -> None:
    path = tmp_path / index.FILE
    kinds = {"licence": "l", "section": "s"}
    index.write(path, [Entry(kind=kind, name=name, file="a", line=1, text="x") for kind, name in kinds.items()])
    assert [each.name for each in search(path, "drawer", 2, {1: 0, 2: 0})] == ["s", "l"]
