"""Whole programs, as they are written for each framework: flaws are found by the rules that ship, their twins spared."""

from pathlib import Path

import msgspec
import pytest

from clones.engines.security.taint import rulebook
from clones.engines.security.taint.rulebook import Rulebook
from tests.clones.engines.security.taint.following import HERE, scan


class Program(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two ends of one module."""

    name: str
    category: str
    start: str
    flaw: str
    harmless: str


def programs() -> list[Program]:
    read = msgspec.toml.decode((HERE / "program_twins.toml").read_bytes(), type=dict[str, list[Program]])
    return read["twins"]


@pytest.fixture(scope="module")
def shipped() -> Rulebook:
    return rulebook.load()


def categories(place: Path, program: str, book: Rulebook) -> set[str]:
    return {each.rule.removeprefix("taint/") for each in scan(place, {"app.py": program}, book).results}


_each = pytest.mark.parametrize("pair", [pytest.param(each, id=each.name) for each in programs()])


@_each
def test_a_flaw_in_a_program_is_found(pair: Program, tmp_path: Path, shipped: Rulebook) -> None:
    assert pair.category in categories(tmp_path, pair.start + pair.flaw, shipped)


@_each
def test_its_harmless_twin_is_spared(pair: Program, tmp_path: Path, shipped: Rulebook) -> None:
    assert pair.category not in categories(tmp_path, pair.start + pair.harmless, shipped)
