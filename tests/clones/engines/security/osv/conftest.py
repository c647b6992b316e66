"""Real advisories in the form of osv.dev's dumps (shortened: their ids, ranges and ratings are what was published)."""

import datetime as dt
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clones.engines.security.osv import database, importing, scan
from clones.engines.security.reported import Scan
from tests.clones.engines.security import scanning

Record = dict[str, Any]
NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.fixture
def records() -> list[Record]:
    return json.loads((Path(__file__).parent / "advisories.json").read_text())


def dump(place: Path, records: list[Record]) -> Path:
    """Write records as osv.dev's `all.zip`."""
    with zipfile.ZipFile(place, "w") as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the database is to be; there is none yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert database.path().is_relative_to(tmp_path)
    return database.path()


@pytest.fixture
def imported(place: Path, records: list[Record], tmp_path: Path) -> Path:
    """The database with all advisories."""
    importing.update(dump(tmp_path / "all.zip", records), place, NOW)
    return place


@pytest.fixture
def scanned(tmp_path: Path) -> Callable[[dict[str, str]], Scan]:
    """Scan a target with these files."""

    def run(files: dict[str, str]) -> Scan:
        return scanning.scanned(scan.scan, tmp_path, files)

    return run
