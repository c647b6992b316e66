"""Lock files and declarations, held against the advisories."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clones.engines.security import analyse, scanners
from clones.engines.security.osv import database, javascript_files, pinned
from clones.engines.security.osv import scan as osv_scan
from clones.engines.security.reported import Scan
from clones.engines.security.scope import survey
from clones.params import SecurityParams

Run = Callable[[dict[str, str]], Scan]

PACKAGE_LOCK = """{
  "name": "shop", "lockfileVersion": 3,
  "packages": {
    "": {"dependencies": {"lodash": "^4.17.0"}},
    "node_modules/lodash": {
      "version": "4.17.20"
    },
    "node_modules/mkdirp/node_modules/minimist": {
      "version": "0.0.8"
    },
    "packages/own": {
      "version": "1.0.0"
    }
  }
}
"""
OLD_PACKAGE_LOCK = """{
  "lockfileVersion": 1,
  "dependencies": {
    "lodash": {
      "version": "4.17.20"
    },
    "mkdirp": {
      "version": "0.5.1",
      "dependencies": {
        "minimist": {
          "version": "0.0.8"
        }
      }
    }
  }
}
"""
YARN = """# yarn lockfile v1


lodash@^4.17.0, lodash@^4.17.4:
  version "4.17.20"
  resolved "https://registry/lodash"

minimist@0.0.8:
  version "0.0.8"
"""
YARN_BERRY = """__metadata:
  version: 8

"lodash@npm:^4.17.0":
  version: 4.17.20
  resolution: "lodash@npm:4.17.20"

"small@npm:minimist@0.0.8":
  version: 0.0.8

"shop@workspace:.":
  version: 0.0.0-use.local
"""
PNPM = """lockfileVersion: '6.0'

dependencies:
  lodash:
    version: 4.17.20

packages:

  /lodash@4.17.20:
    resolution: {integrity: sha512}

  /minimist/0.0.8:
    resolution: {integrity: sha512}

  '@types/node@20.1.0(peer@1.0.0)':
    resolution: {integrity: sha512}
"""
POETRY = """[[package]]
name = "django"
version = "3.2.12"

[[package]]
name = "requests"
version = "2.31.0"

[[package]]
name = "flask"
version = "2.0"
[package.source]
type = "git"
url = "https://example.org/flask.git"
"""
UV = """version = 1

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }

[[package]]
name = "django"
version = "3.2.12"
source = { registry = "https://pypi.org/simple" }
"""
GO_MOD = """module example.org/shop

go 1.21

require (
	golang.org/x/net v0.10.0 // indirect
	example.org/old v1.0.0
	example.org/near v1.0.0
)

replace example.org/old => golang.org/x/net v0.0.0-20210101000000-abcdef123456

replace example.org/near => ../near
"""
DJANGO = {"GHSA-2gwj-7jmv-h26r"}
NPM = {("lodash", "GHSA-35jh-r3h4-6jhm"), ("minimist", "GHSA-xvch-5gv4-984h")}


def found(scan: Scan) -> set[tuple[int, str]]:
    return {(each.line, each.rule) for each in scan.results}


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("package-lock.json", PACKAGE_LOCK, (5, 8)),
        ("web/npm-shrinkwrap.json", OLD_PACKAGE_LOCK, (4, 10)),
        ("yarn.lock", YARN, (5, 9)),
        ("app/yarn.lock", YARN_BERRY, (5, 9)),
        ("pnpm-lock.yaml", PNPM, (9, 12)),
    ],
)
def test_each_lock_file_of_javascript(scanned: Run, name: str, text: str, lines: tuple[int, int]) -> None:
    scan = scanned({name: text})
    assert found(scan) == {(lines[0], "GHSA-35jh-r3h4-6jhm"), (lines[1], "GHSA-xvch-5gv4-984h")}
    assert {each.path for each in scan.results} == {name}
    assert not scan.unread


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("poetry.lock", POETRY, 3),
        ("uv.lock", UV, 10),
        ("Pipfile.lock", '{"_meta": {},\n"default": {\n"django": {"version": "==3.2.12"}}, "develop": {}}', 3),
        (
            "requirements.txt",
            "# pinned\nDjango==3.2.12 \\\n  --hash=sha256:00\nrequests==2.31.0  # fine\n-r x.txt\n",
            2,
        ),
        ("requirements/dev.txt", "django[argon2] === 3.2.12 ; python_version > '3'\n", 1),
        ("dev-requirements.txt", "django==3.2.12", 1),
        ("pyproject.toml", '[project]\nname = "shop"\ndependencies = [\n  "django==3.2.12",\n]\n', 4),
        ("sub/pyproject.toml", '[tool.poetry.dependencies]\npython = "3.11.1"\ndjango = "3.2.12"\n', 3),
        ("group/pyproject.toml", '[dependency-groups]\nweb = ["django == 3.2.12"]\n', 2),
    ],
)
def test_each_file_of_python(scanned: Run, name: str, text: str, line: int) -> None:
    scan = scanned({name: text})
    assert found(scan) == {(line, "GHSA-2gwj-7jmv-h26r")}
    assert not scan.unread


@pytest.mark.usefixtures("imported")
def test_a_file_as_other_systems_write_it(tmp_path: Path) -> None:
    target, copy = tmp_path / "target", tmp_path / "copy"
    for name, encoding in {"a/requirements.txt": "utf-16", "b/requirements.txt": "utf-8-sig"}.items():
        (target / name).parent.mkdir(parents=True)
        (target / name).write_bytes("django==3.2.12\r\nrequests==2.31.0\r\n".encode(encoding))
    copy.mkdir()
    scan = osv_scan.scan(copy, survey(target, copy), lambda _: None)
    assert {(each.path, each.line) for each in scan.results} == {("a/requirements.txt", 1), ("b/requirements.txt", 1)}


def test_the_keys_of_pnpm() -> None:
    keys = {
        "/react/16.0.0": ("react", "16.0.0"),
        "/@babel/core/7.0.0_react@16.0.0": ("@babel/core", "7.0.0"),
        "/@babel/core@7.0.0(react@16.0.0)": ("@babel/core", "7.0.0"),
        "'@scope/3d-view@1.0.0-rc.1'": ("@scope/3d-view", "1.0.0-rc.1"),
        "3d-view@2.0.0": ("3d-view", "2.0.0"),
        "own@https": None,
        "github.com/somebody/else/abcdef": None,
    }
    lock = "packages:\n" + "".join(f"\n  {key}:\n    dev: true\n" for key in keys)
    pins = javascript_files.pnpm_lock(lock).pins
    assert [(pin.name, pin.version) for pin in pins] == [each for each in keys.values() if each]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pnpm-lock.yaml", "packages:\n  " + "a/1" * 100_000),
        ("requirements.txt", "a\\\n" * 400_000),
        ("pyproject.toml", '[project]\nname = "' + "\\\\" * 50_000),
        ("package.json", '{"dependencies": {' + ",\n".join(f'"a{at}": "1.0.0"' for at in range(60_000)) + "}}"),
        ("package-lock.json", '{"dependencies": {"a": [\n' + '"a": {\n' * 400_000),
        ("go.mod", "replace " + " " * 100_000),
        ("yarn.lock", "@npm:" * 100_000),
    ],
)
def test_files_that_mean_harm_take_no_longer_than_others(name: str, text: str) -> None:
    begin = time.process_time()
    with contextlib.suppress(pinned.FileError):
        pinned.read(name, text.encode())
    assert time.process_time() - begin < 20, "what grows with the square takes minutes at least"


@pytest.mark.usefixtures("imported")
def test_modules_of_go_and_what_stands_in_their_place(scanned: Run) -> None:
    scan = scanned({"go.mod": GO_MOD})
    assert found(scan) == {(6, "GO-2023-2102"), (11, "GO-2023-2102"), (11, "GO-2022-0969")}


@pytest.mark.usefixtures("imported")
def test_ids_of_one_flaw_are_one_finding_with_what_is_known_of_it(scanned: Run) -> None:
    scan = scanned({"requirements.txt": "requests==2.19.1\nrequests==2.19.1 ; sys_platform == 'win32'\n"})
    both = {each.rule: each for each in scan.results}
    assert sorted(both) == ["GHSA-j8r2-6x86-q33q", "GHSA-x84v-xcm2-53pg"]
    assert len(scan.results) == 2
    leak = both["GHSA-x84v-xcm2-53pg"]
    assert leak.message == (
        "GHSA-x84v-xcm2-53pg (PYSEC-2018-28, CVE-2018-18074): Insufficiently Protected Credentials in Requests. "
        "Fixed in 2.20.0. CWE-522, CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N."
    )
    assert (leak.severity, leak.cwe, leak.line, leak.key) == ("high", 1395, 1, "PyPI requests GHSA-x84v-xcm2-53pg")
    assert "2024-02-16" in scan.version


@pytest.mark.usefixtures("imported")
def test_versions_that_are_fixed_or_not_settled_are_no_findings(scanned: Run) -> None:
    scan = scanned(
        {
            "requirements.txt": "django>=2.0\nflask==2.3.2\nurllib3==1.26.17\nunknown==1.0\nlodash==1.0.0\n",
            "package.json": '{"dependencies": {"lodash": "^4.17.0"}}',
            "web/package.json": '{"dependencies": {"lodash": "^4.17.0"}}',
            "web/yarn.lock": "",
        }
    )
    assert scan.results == ()
    told = {each.subject: each.reason for each in scan.left_out}
    declared = told["dependencies that are declared"]
    assert declared.endswith(": package.json (1), requirements.txt (1)"), "web/package.json has a lock file"
    assert "2024-02-16; what was published later is not known" in told["dependencies (PyPI)"]


@pytest.mark.usefixtures("place")
def test_without_a_database_it_is_said_how_to_get_one(scanned: Run) -> None:
    scan = scanned({"requirements.txt": "django==3.2.12", "go.mod": GO_MOD})
    assert (scan.results, scan.files_analysed) == ((), 0)
    assert [each.subject for each in scan.left_out] == ["dependencies (Go)", "dependencies (PyPI)"]
    assert "sanctuary osv update" in scan.left_out[0].reason


def test_a_database_that_is_broken_is_said(place: Path, scanned: Run) -> None:
    place.parent.mkdir(parents=True)
    place.write_bytes(b"SQLite format 3\0 and then nothing")
    scan = scanned({"requirements.txt": "django==3.2.12"})
    assert scan.results == ()
    assert "import the dumps again" in scan.left_out[0].reason


@pytest.mark.usefixtures("imported")
def test_files_that_are_not_what_they_are_called_are_said(scanned: Run) -> None:
    scan = scanned(
        {
            "package-lock.json": '{"packages": ' + "[" * 100_000,
            "a/package-lock.json": '{"packages": [], "dependencies": {"lodash": 3}}',
            "poetry.lock": "[[package",
            "b/poetry.lock": "package = 'x'",
            "pyproject.toml": "x = " + "[" * 100_000,
            "requirements.txt": "\0\ufffd===\n" * 50 + "django==3.2.12" + "\n@ @ @",
            "yarn.lock": "@\n  version\n" * 50,
        }
    )
    assert sorted(scan.unread) == ["package-lock.json", "poetry.lock", "pyproject.toml"]
    assert found(scan) == {(51, "GHSA-2gwj-7jmv-h26r")}


@pytest.mark.usefixtures("imported")
def test_findings_of_the_engine_are_rated_by_their_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "project"
    target.mkdir()
    (target / "requirements.txt").write_text("django==3.2.12\n")
    only = [each for each in scanners.scanners() if each.name == "osv"]
    monkeypatch.setattr(scanners, "scanners", lambda: only)
    (tmp_path / "out").mkdir()
    told = analyse(target, SecurityParams(target=str(target)), tmp_path / "out", lambda *_: None)
    [finding] = told.data["findings"]
    assert (finding["severity"], finding["cwe"], finding["engine"]) == ("critical", 1395, "osv")
    assert "GHSA-2gwj-7jmv-h26r" in finding["how_to_check"]
    assert database.path().stat().st_size > 0
