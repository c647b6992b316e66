"""Dumps of osv.dev become a database."""

import copy
import datetime as dt
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from clones.engines.security.osv import database, importing
from clones.engines.security.osv.versions import Ecosystem
from ops.cli.main import main
from ops.doctor.installation import advisories
from tests.clones.engines.security.osv.conftest import NOW, Record, dump


def ids(place: Path, ecosystem: Ecosystem, package: str) -> list[str]:
    with database.opened(place) as opened:
        assert opened is not None
        return [each.id for each in opened.of(ecosystem, package)]


def test_a_dump_is_held_by_package_with_the_date_of_its_newest_record(imported: Path) -> None:
    with database.opened(imported) as opened:
        assert opened is not None
        held = opened.held()
    assert [(each.ecosystem, each.newest.isoformat(), each.advisories) for each in held] == [
        ("Go", "2024-05-20", 2),
        ("PyPI", "2024-02-16", 8),
        ("npm", "2024-02-16", 3),
    ]
    assert {each.imported for each in held} == {NOW.date()}
    assert ids(imported, "PyPI", "django") == ["GHSA-2gwj-7jmv-h26r"], "the name as the ecosystem compares names"


def test_a_newer_record_replaces_an_older_one_and_a_withdrawn_one_removes_it(
    imported: Path, records: list[Record], tmp_path: Path
) -> None:
    newer, older, withdrawn = copy.deepcopy(records[8]), copy.deepcopy(records[9]), copy.deepcopy(records[10])
    newer |= {"modified": "2025-01-01T00:00:00Z", "summary": "newer"}
    older |= {"modified": "2020-01-01T00:00:00Z", "summary": "older"}
    withdrawn |= {"modified": "2025-02-01T00:00:00Z", "withdrawn": "2025-02-01T00:00:00Z"}
    done = importing.update(dump(tmp_path / "later.zip", [newer, older, withdrawn]), imported, NOW)
    assert (done.records, done.by_ecosystem, done.older, done.withdrawn) == (3, {"npm": 1}, 1, 1)
    with database.opened(imported) as opened:
        assert opened is not None
        assert {each.id: each.summary for each in opened.of("npm", "lodash")} == {
            newer["id"]: "newer",
            older["id"]: "Command Injection in lodash",
        }
        assert opened.of("npm", "minimist") == []
    # a dump of before, taken in late
    assert importing.update(dump(tmp_path / "earlier.zip", [records[10]]), imported, NOW).older == 1
    with database.opened(imported) as opened:
        assert opened is not None
        assert opened.of("npm", "minimist") == []


def test_a_record_of_two_ecosystems_does_not_make_a_dump_of_the_other(
    place: Path, records: list[Record], tmp_path: Path
) -> None:
    shared = copy.deepcopy(records[0])
    shared["affected"] += records[8]["affected"]
    importing.update(dump(tmp_path / "all.zip", [records[1], shared]), place, NOW)
    with database.opened(place) as opened:
        assert opened is not None
        assert [each.ecosystem for each in opened.held()] == ["PyPI"]
        assert opened.of("npm", "lodash"), "what it says of npm is known all the same"


def test_a_directory_holds_dumps_and_records_of_which_some_are_none(
    place: Path, records: list[Record], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "npm").mkdir(parents=True)
    dump(source / "npm" / "all.zip", records[8:11])
    (source / "one.json").write_text(json.dumps(records[0]))
    (source / "deep.json").write_text("[" * 100_000)
    (source / "later.json").write_text(json.dumps(records[1] | {"schema_version": "2.0.0"}))
    (source / "list.json").write_text("[]")
    other = copy.deepcopy(records[2])
    other["affected"][0]["package"]["ecosystem"] = "crates.io"
    (source / "rust.json").write_text(json.dumps(other))
    done = importing.update(source, place, NOW)
    assert (done.by_ecosystem, done.others, done.refused_total) == ({"PyPI": 1, "npm": 3}, 1, 3)
    assert [each.partition(":")[0] for each in done.refused] == ["deep.json", "later.json", "list.json"]
    assert "schema 2.0.0" in done.refused[1]


@pytest.mark.parametrize("content", [b"", b"no json", b"{}", b"PK\x03\x04 broken"])
def test_what_holds_no_record_changes_nothing(imported: Path, tmp_path: Path, content: bytes) -> None:
    before = database.identity(imported)
    (tmp_path / "wrong.zip").write_bytes(content)
    with pytest.raises(importing.DumpError, match=r"osv\.dev"):
        importing.update(tmp_path / "wrong.zip", imported, NOW)
    assert database.identity(imported) == before
    assert [each.name for each in imported.parent.iterdir()] == [imported.name], "nothing is left beside it"


def test_a_record_that_is_too_large_is_none(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_RECORD_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.json", b" " * 1_000_000)
    with pytest.raises(importing.DumpError):
        importing.update(tmp_path / "bomb.zip", place, NOW)
    assert not place.exists()


def test_the_command_says_what_it_took_and_the_doctor_how_old_it_is(
    place: Path, records: list[Record], tmp_path: Path
) -> None:
    assert (advisories(place, NOW.date()).verdict, place.exists()) == ("note", False)
    source = dump(tmp_path / "all.zip", records)
    first, second = (CliRunner().invoke(main, ["osv", "update", str(source)]) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert first.output == (
        "13 records: Go 2, PyPI 8, npm 3; withdrawn 0, of other ecosystems 0, known already 0, not understood 0\n"
        f"{place}\n"
    )
    assert "nothing new" in second.output
    wrong = CliRunner().invoke(main, ["osv", "update", str(Path(__file__))])
    assert wrong.exit_code == 1
    assert "holds no record of OSV" in wrong.output
    fresh = advisories(place, dt.date(2024, 2, 20))
    assert (fresh.verdict, fresh.found) == (
        "ok",
        f"Go 2 of 2024-05-20, PyPI 8 of 2024-02-16, npm 3 of 2024-02-16, {place}",
    )
    assert "old" in advisories(place, dt.date(2026, 1, 1)).advice
    place.write_bytes(b"broken")
    assert advisories(place, NOW.date()).verdict == "wrong"
