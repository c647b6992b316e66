"""Rule files are read together, and what is wrong in one is told."""

from pathlib import Path

import pytest

from clones.engines.security.taint import rulebook
from clones.engines.security.taint.rule_file import RuleError

CATEGORY = '[[category]]\nid = "a"\ncwe = 1\nseverity = "low"\ntitle = "t"\ncheck = "c"\n'


def _load(place: Path, text: str) -> rulebook.Rulebook:
    (place / "x.toml").write_text(text)
    return rulebook.load(place)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[sink]", "x.toml"),
        ('[[sink]]\ncategory = "b"\nmatch = ["f"]\n', "'b'"),
        ('[[sink]]\ncategory = "a"\nmatch = ["f"]\nargz = [1]\n', "argz"),
        ('[[sink]]\ncategory = "a"\nmatch = ["f"]\nsafe_prefix = "("\n', "safe_prefix"),
        ('[[sanitizer]]\nmatch = ["f"]\nfor = ["c"]\n', "'c'"),
        ('[[source]]\nkind = "http"\n', "a source needs"),
    ],
)
def test_a_wrong_rule_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=said):
        _load(tmp_path, CATEGORY + text)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.**", "a.b.c", True),
        ("?.execute", "?cursor.execute", True),
        ("?.execute", "?execute", True),
        ("?.execute", "db.execute", False),
        ("?cursor.execute", "?cursor.execute", True),
    ],
)
def test_names_match_patterns(pattern: str, name: str, matches: bool, tmp_path: Path) -> None:
    book = _load(tmp_path, CATEGORY + f'[[sink]]\ncategory = "a"\nmatch = ["{pattern}"]\n')
    assert bool(book.sinks.of(name)) is matches


def test_another_name_is_the_same_thing(tmp_path: Path) -> None:
    book = _load(tmp_path, '[[alias]]\nname = "a.b"\nof = "c"\n[[alias]]\nname = "c"\nof = "d.e"\n')
    assert book.canonical("a.b.f") == "d.e.f"
    assert book.canonical("a.bf") == "a.bf"


def test_the_rules_that_ship_are_right() -> None:
    assert rulebook.load().categories
