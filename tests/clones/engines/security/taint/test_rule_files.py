"""The rule files of the taint analysis: they load, say nothing twice, and name what there is."""

import builtins
import importlib
import re
import sys
import tomllib
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from clones.engines.security.taint import rulebook
from clones.engines.security.taint.rule_file import RuleError

RULES = sorted(Path(str(files(rulebook.__package__) / "rules")).glob("*.toml"), key=lambda each: each.name)
_PART = r"(?:[A-Za-z_]\w*(?:\((?:\w+(?:=\w+)?)?\))?|\*\*?)"
_NAME = re.compile(rf"(?:\?(?:\.|\*\*)?)?{_PART}(?:\.{_PART})*=?")
_SET_BY_INSTANCES = (
    "http.server.BaseHTTPRequestHandler.",
    "socketserver.BaseRequestHandler.",
    "socketserver.StreamRequestHandler.",
)


def tables(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for table, rows in tomllib.loads(file.read_text(encoding="utf-8")).items():
        for row in rows:
            yield table, row


def names(row: dict[str, Any]) -> Iterator[str]:
    for key in ("match", "decorated", "methods_of", "except_types", "except_classes"):
        yield from row.get(key, ())
    yield from (row[key] for key in ("type", "of") if key in row)


def exists(name: str) -> bool:
    """Whether a name stands for something in this Python; what it no longer has, or not on this system, may stand."""
    parts = re.sub(r"\(.*|=$", "", name).split(".")
    if parts[0] not in sys.stdlib_module_names:
        return hasattr(builtins, parts[0]) or parts[0] in {"cPickle", "urllib2"}
    place: Any = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for end in range(len(parts), 0, -1):
            try:
                place = importlib.import_module(".".join(parts[:end]))
            except ImportError:
                continue
            for part in parts[end:]:
                if not hasattr(place, part):
                    return False
                place = getattr(place, part)
            return True
    return True


def test_the_files_load() -> None:
    book = rulebook.load()
    assert {each.id for each in book.categories.values()} >= {"command-injection", "sql-injection", "weak-hash"}


def test_every_kind_of_flaw_can_be_found_and_verified() -> None:
    book = rulebook.load()
    described = Counter(row["id"] for file in RULES for table, row in tables(file) if table == "category")
    used = {row["category"] for file in RULES for table, row in tables(file) if table in {"sink", "check"}}
    assert set(described) == used
    assert max(described.values()) == 1
    for category in book.categories.values():
        assert len(category.check) > 60, category.id
        assert not category.title.endswith("."), category.id


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_names_are_names(file: Path) -> None:
    wrong = [name for _, row in tables(file) for name in names(row) if not _NAME.fullmatch(name)]
    assert wrong == []


def test_no_rule_is_said_twice() -> None:
    said = Counter(
        (table, name, str({key: value for key, value in row.items() if key != "match"}))
        for file in RULES
        for table, row in tables(file)
        for name in row.get("match", ())
    )
    assert [rule for rule, times in said.items() if times > 1] == []
    typed = Counter(
        (table, name)
        for file in RULES
        for table, row in tables(file)
        if table in {"returns", "attribute"}
        for name in row["match"]
    )
    assert [rule for rule, times in typed.items() if times > 1] == []


def test_aliases_lead_to_an_end() -> None:
    aliases = [(row["name"], row["of"]) for file in RULES for table, row in tables(file) if table == "alias"]
    assert len(dict(aliases)) == len(aliases)
    book = rulebook.load()
    for name, _ in aliases:
        assert book.canonical(name) == book.canonical(book.canonical(name)) != name


def test_what_is_said_of_the_standard_library_is_there() -> None:
    stated = {
        name
        for file in RULES
        if file.stem.startswith("stdlib")
        for _, row in tables(file)
        for name in names(row)
        if "*" not in name and not name.startswith("?") and not name.startswith(_SET_BY_INSTANCES)
    }
    known_elsewhere = {"os.startfile", "cgi.escape", "random.binomialvariate()"} | {
        name for name in stated if name.startswith("flask.")
    }
    assert {name for name in stated - known_elsewhere if not exists(name)} == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[sink]]\ncategory = "x"\nmatch = ["a.b"]\n', "no .*category"),
        ('[[sanitizer]]\nmatch = ["a.b"]\nfor = ["x"]\n', "no .*category"),
        ('[[sink]]\ncategory = "x"\nmatch = ["a.b"]\narguments = [0]\n', "arguments"),
        ('[[source]]\nkind = "web"\nmatch = ["a.b"]\n', "web"),
        ('[[source]]\nkind = "http"\n', "needs match"),
        ("[[source]\n", "rules.toml"),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RuleError, match=said):
        rulebook.load(tmp_path)
