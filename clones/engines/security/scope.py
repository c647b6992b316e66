"""Which files of a target are scanned: the project's own, copied to where nothing can steer a scanner.

In the copy there are regular files alone, so no link or pipe leads a scanner elsewhere, and none of the settings files
that gitleaks would obey.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.own_files import is_report, is_store

MAX_PYTHON_BYTES = 1024 * 1024
"""Larger Python files are data in disguise, and would take bandit minutes."""
MAX_FILE_BYTES = 10_000_000
"""Larger files are not searched for secrets (ten megabytes in gitleaks' count)."""
PYTHON_SUFFIXES = (".py", ".pyi", ".pyw")
BASELINE = ".sanctuary-baseline.sarif"
ACCEPTED = ".sanctuary-accepted.toml"
"""What was found before (`accepted`), no source of findings itself."""

_KINDS = {
    "version control": (
        "the history is not searched, only the files as they are",
        {".git", ".hg", ".svn", ".bzr", "CVS"},
    ),
    "virtual environments": (
        "installed packages, not this project's code",
        {".venv", "venv", ".tox", ".nox", ".eggs", "site-packages", "dist-packages", "__pypackages__"},
    ),
    "JavaScript packages": ("installed packages, not this project's code", {"node_modules", "bower_components"}),
    "caches": (
        "made by tools, not by people",
        {
            *("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".cache"),
            *(".import_linter_cache", ".ipynb_checkpoints"),
        },
    ),
    "build output": ("made by a build; its sources are scanned", {"build", "dist", "_build", "htmlcov"}),
}
"""Why, and the directory names; a Python package of such a name (`pkg/build/__init__.py`) is the project's own code."""
_OWN = {
    "a network's store": (
        "Sanctuary's own keys and data, such as those of the network that does this scan",
        is_store,
    ),
    "a review's report": ("what Sanctuary has found before", is_report),
}
"""Why, and how a directory that Sanctuary itself has made is told."""
_LINKS = "symbolic links"
_GITLEAKS_SETTINGS = {".gitleaksignore", ".gitleaks.toml"}
_SETTINGS = {".bandit", "bandit.yaml", "bandit.yml", ".ruff.toml", "ruff.toml", *_GITLEAKS_SETTINGS}
_SHOWN = 5


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What is scanned; all paths are relative to the target, with forward slashes, sorted."""

    files: tuple[str, ...]
    python: tuple[str, ...]
    not_utf8: tuple[str, ...]
    """Python files in another encoding."""
    excluded: tuple[str, ...]
    """Directories and files that were left out, for who runs a scanner by hand; `__pycache__` holds no source."""
    left_out: tuple[NotAnalysed, ...]
    settings: tuple[str, ...]
    """Files of the target that would steer a scanner run by hand, and did not steer this scan."""


def survey(target: Path, copy: Path) -> Scope:
    """Copy what is to be scanned from `target` to the empty directory `copy`, and tell what was left out."""
    files: list[str] = []
    python: list[str] = []
    not_utf8: list[str] = []
    settings: list[str] = []
    decisions: list[str] = []
    kinds: dict[str, list[str]] = {}
    single: dict[str, str] = {}
    for name, kind in _walk(target):
        if kind is not None:
            kinds.setdefault(kind, []).append(name)
            continue
        try:
            read = content(target / name, name, MAX_PYTHON_BYTES if name.endswith(PYTHON_SUFFIXES) else MAX_FILE_BYTES)
        except LeftOutError as error:
            single[name] = str(error)
            continue
        if name in _SETTINGS:
            settings.append(name)
        if name in {BASELINE, ACCEPTED}:
            decisions.append(name)
        if name in {*_GITLEAKS_SETTINGS, BASELINE, ACCEPTED}:
            continue
        place = copy / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(read)
        files.append(name)
        if name.endswith(PYTHON_SUFFIXES):
            python.append(name)
            if not _is_utf8(read):
                not_utf8.append(name)
    notebooks = [name for name in files if name.endswith(".ipynb")]
    left_out = [NotAnalysed(subject=kind, reason=_reason(kind, names)) for kind, names in sorted(kinds.items())]
    if notebooks:
        left_out.append(
            NotAnalysed(subject="Jupyter notebooks", reason=f"searched for secrets only: {_some(notebooks)}")
        )
    left_out += [NotAnalysed(subject=_printable(name), reason=why) for name, why in sorted(single.items())]
    excluded = {name for names in kinds.values() for name in names if not name.endswith("__pycache__")}
    return Scope(
        files=tuple(sorted(files)),
        python=tuple(sorted(python)),
        not_utf8=tuple(sorted(not_utf8)),
        excluded=tuple(sorted(map(_printable, {*excluded, *single, *decisions}))),
        left_out=tuple(left_out),
        settings=tuple(sorted(settings)),
    )


def _walk(target: Path) -> Iterator[tuple[str, str | None]]:
    """Yield every path below `target` that is not entered, with the kind that it is of, and every file, with None."""
    # a directory that cannot be listed is yielded as if it were a file: opening it says why
    unread: list[OSError] = []
    for place, directories, names in os.walk(target, onerror=unread.append):
        here = Path(place)
        kinds = {name: _LINKS if (here / name).is_symlink() else _kind(here / name) for name in sorted(directories)}
        for name, kind in kinds.items():
            if kind is not None:
                yield (here / name).relative_to(target).as_posix(), kind
        directories[:] = [name for name, kind in kinds.items() if kind is None]
        for name in sorted(names):
            yield (here / name).relative_to(target).as_posix(), _LINKS if (here / name).is_symlink() else None
    for error in unread:
        yield Path(error.filename).relative_to(target).as_posix(), None


def _kind(directory: Path) -> str | None:
    if (directory / "__init__.py").is_file():
        return None
    # a lone pyvenv.cfg hides nothing: a virtual environment has programs beside it
    if (directory / "pyvenv.cfg").is_file() and any((directory / name).is_dir() for name in ("bin", "Scripts")):
        return "virtual environments"
    for kind, (_, is_own) in _OWN.items():
        if is_own(directory):
            return kind
    return next((kind for kind, (_, names) in _KINDS.items() if directory.name in names), None)


class LeftOutError(Exception):
    """Why a file is not read."""


def content(path: Path, name: str, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises:
        LeftOutError: it is not to be, or cannot be read.
    """
    if _printable(name) != name:
        raise LeftOutError("its name holds characters that cannot be shown")
    try:
        # without O_NONBLOCK the opening of a pipe would wait for ever
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(file, "rb") as opened:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise LeftOutError("no regular file")
            if status.st_size > limit:
                raise LeftOutError(f"too large: {status.st_size} bytes, the limit is {limit}")
            return opened.read(limit)
    except OSError as error:
        raise LeftOutError(f"cannot be read: {error.strerror}") from error


def _reason(kind: str, names: list[str]) -> str:
    whys = {_LINKS: "not followed, for they may lead out of the target"}
    whys |= {known: why for kinds in (_KINDS, _OWN) for known, (why, _) in kinds.items()}
    why = whys[kind]
    return f"{why}: {_some(sorted(names))}"


def _some(names: list[str]) -> str:
    shown = ", ".join(_printable(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name.encode(errors="replace").decode())


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_directories(python: tuple[str, ...]) -> frozenset[str]:
    """Return the directories named `test`, `tests` or `t` that hold test modules; `django/test` holds none and ships."""
    return frozenset(
        str(PurePosixPath(*parts[: position + 1]))
        for parts in (PurePosixPath(name).parts for name in python if is_test_module(name))
        for position, part in enumerate(parts[:-1])
        if part in {"test", "tests", "t"}
    )


def is_test_module(name: str) -> bool:
    """Whether a file is a test module by its own name, as pytest and unittest find them."""
    stem, _, suffix = PurePosixPath(name).name.rpartition(".")
    return f".{suffix}" in PYTHON_SUFFIXES and (
        stem.startswith("test_") or stem.endswith("_test") or stem == "conftest"
    )
