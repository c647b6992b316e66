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


def test_what_tests_hand_over_does_not_come_from_outside(tmp_path: Path, shipped: Rulebook) -> None:
    files: dict[str, str | bytes] = {
        "gpg.py": "import os\n\n\ndef sign(name):\n    os.system('gpg ' + name)\n",
        "test_gpg.py": "import gpg\n\n\ndef test_sign():\n    gpg.sign(input())\n",
    }
    assert scan(tmp_path / "a", files, shipped).results == ()
    files["main.py"] = "import gpg\n\n\ndef main():\n    gpg.sign(input())\n"
    assert [each.path for each in scan(tmp_path / "b", files, shipped).results] == ["gpg.py"]


def test_it_is_told_where_requests_come_in(tmp_path: Path, shipped: Rulebook) -> None:
    files: dict[str, str | bytes] = {
        "web.py": "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get('/<n>')\ndef f(n):\n    return 'x'\n",
        "tool.py": "import sys\n\nprint(sys.argv)\n",
    }
    assert scan(tmp_path, files, shipped).entries == ("web.py",)
