"""Gets the projects, and makes a repository of each: one commit and one tag for a release, and a bug to be found."""

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LIST = Path(__file__).parent / "sdists.txt"
_DATES = ("2025-01-01T12:00:00Z", "2025-02-01T12:00:00Z", "2025-02-02T12:00:00Z")


@dataclass(frozen=True)
class Bug:
    """A change of the newer release that makes tests fail."""

    file: str
    old: str
    new: str
    subject: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """A project, and what is asked about it."""

    name: str
    bug: Bug
    command: str
    """Profiled, and put under load."""
    pytest_args: tuple[str, ...] = ()


PROJECTS = (
    Project(
        name="flask",
        bug=Bug(
            file="src/flask/helpers.py",
            old='{"0", "false", "no"}',
            new='{"0", "false"}',
            subject="fix: read FLASK_DEBUG as other tools read such variables",
            tests=("tests/test_helpers.py",),
        ),
        command="python -c 'import flask.cli'",
    ),
    Project(
        name="requests",
        bug=Bug(
            file="src/requests/structures.py",
            old="((lowerkey, keyval[1]) for",
            new="((lowerkey, keyval[0]) for",
            subject="perf: no detour over the values",
            tests=("tests/test_structures.py",),
        ),
        command="python -c 'import requests'",
    ),
    Project(
        name="celery",
        bug=Bug(
            file="celery/utils/text.py",
            old="S[: max - len(ellipsis)] + ellipsis",
            new="S[: max - len(ellipsis)]",
            subject="refactor: shorter names in the log",
            tests=("t/unit/utils/test_text.py",),
        ),
        command="python -c 'import celery.app.base'",
        pytest_args=("t/unit/utils", "t/unit/app"),  # all of its tests take a quarter of an hour
    ),
)


def make(directory: Path) -> None:
    """Make the repositories `<name>`, and `<name>-incident` with the bug, in `directory`, unless they are there.

    Raises:
        SystemExit: the source distributions cannot be got; pip's own words stand above.
    """
    mark = directory / "made-of.txt"
    wanted = _LIST.read_bytes() + Path(__file__).read_bytes()
    if mark.exists() and mark.read_bytes() == wanted:
        return
    archives = list(_fetched(directory / "sdists"))
    for project in PROJECTS:
        own = [(version, archive) for name, version, archive in archives if name == project.name]
        _repository(directory / project.name, own)
        _with_bug(directory / project.name, directory / f"{project.name}-incident", project.bug)
    mark.write_bytes(wanted)


def git(directory: Path, *arguments: str, date: str = _DATES[-1]) -> str:
    """Return what git prints; as the same author whoever runs it."""
    identity = {f"GIT_{who}_{what}": of for who in ("AUTHOR", "COMMITTER") for what, of in _WHO.items()}
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    quiet = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    env = {**quiet, **identity, **dates}
    return subprocess.run(
        ["git", *arguments], cwd=directory, env=env, check=True, capture_output=True, text=True
    ).stdout


_WHO = {"NAME": "Trial", "EMAIL": "trial@example.org"}


def _fetched(downloads: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield name, version and archive of each release, the older ones first."""
    downloads.mkdir(parents=True, exist_ok=True)
    lines = [line for line in _LIST.read_text().splitlines() if not line.startswith("#")]
    for line in lines:
        name, version = line.split()[0].split("==")
        archive = downloads / f"{name}-{version}.tar.gz"
        if not archive.exists():
            # A list holds one version of a name, so each release is asked for by itself.
            one = downloads / "one.txt"
            one.write_text(f"{line}\n")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            pip += ["--no-binary", ":all:", "--require-hashes", "--dest", str(downloads), "-r", str(one)]
            if subprocess.run(pip, check=False).returncode:
                raise SystemExit(
                    f"the source distribution of {name} {version} was not to be had from the package index"
                )
        yield name, version, archive


def _repository(repository: Path, releases: list[tuple[str, Path]]) -> None:
    shutil.rmtree(repository, ignore_errors=True)
    repository.mkdir(parents=True)
    git(repository, "init", "-q", "-b", "main")
    for (version, archive), date in zip(releases, _DATES, strict=False):
        for path in repository.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        _unpack(archive, repository)
        git(repository, "add", "--all", "--force", ".")
        git(repository, "commit", "-q", "-m", f"Release {version}", date=date)
        git(repository, "tag", f"v{version}", date=date)


def _unpack(archive: Path, target: Path) -> None:
    """Write a source distribution's files without the directory that they stand in."""
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            _, _, path = member.name.partition("/")
            if path and member.isfile():
                sdist.extract(member.replace(name=path), target, filter="data")


def _with_bug(repository: Path, incident: Path, bug: Bug) -> None:
    shutil.rmtree(incident, ignore_errors=True)
    git(repository.parent, "clone", "-q", str(repository), str(incident))
    path = incident / bug.file
    text = path.read_text()
    if text.count(bug.old) != 1:
        raise SystemExit(f"{path} does not hold {bug.old!r} once: the bug cannot be put in")
    path.write_text(text.replace(bug.old, bug.new))
    git(incident, "commit", "-q", "-a", "-m", bug.subject)
