"""Where a target's tests are, and how pytest is to be started there."""

import re
from fnmatch import fnmatch
from pathlib import Path

import msgspec

from clones.engines import target_files
from clones.engines.contract import EngineError
from clones.engines.isolation import NOT_COPIED

_DIRECTORIES = ("tests", "test", "t")
_FILES = ("test_*.py", "*_test.py")
_UNITTEST_FILES = "test*.py"
_UNITTEST = re.compile(r"^\s*(import|from) +unittest\b", re.MULTILINE)
_MAX_UNITTEST_FILES = 500
"""They are named on a command line."""

# options that this engine sets itself, that write or read outside the copy, or that run nothing
_REFUSED = (
    *("--basetemp", "--junitxml", "--junit-xml", "--cov", "--no-cov", "--rootdir", "--config-file", "--confcutdir"),
    *("--log-file", "--debug", "--pdb", "--pdbcls", "--trace", "--collect-only", "--co", "--help", "--version"),
    *("--cache-show", "--fixtures", "--markers", "--pastebin", "--pyargs", "--result-log", "--report-log"),
    *("--override-ini", "--setup-only", "--setup-plan"),
)
_REFUSED_SHORT = ("-c", "-h", "-V", "-o")


class FoundTests(msgspec.Struct, frozen=True, kw_only=True):
    """What says that a target has tests for pytest."""

    configured_in: str | None
    """The file with pytest's configuration, relative to the target."""
    paths: tuple[str, ...]
    """Arguments for pytest where no configuration says where to look; empty: pytest looks by itself."""
    files: int
    """Files with names of tests."""
    uses_xdist: bool = False
    """Whether the configuration spreads tests over processes."""


def find_tests(root: Path) -> FoundTests:
    """Find pytest's configuration and test files under `root`, which is the copy that will be run."""
    name, addopts = _configuration(root)
    files = [
        path.relative_to(root)
        for path in root.rglob("*.py")
        if any(fnmatch(path.name, pattern) for pattern in _FILES)
        and NOT_COPIED.isdisjoint(path.relative_to(root).parts)
    ]
    if not files and name is None:
        files = _unittest_files(root)
        return FoundTests(configured_in=None, paths=tuple(path.as_posix() for path in files), files=len(files))
    usual = [part for part in _DIRECTORIES if any(path.parts[0] == part for path in files)]
    return FoundTests(
        configured_in=name,
        paths=() if name is not None else tuple(usual),
        files=len(files),
        uses_xdist=uses_xdist(addopts),
    )


def _unittest_files(root: Path) -> list[Path]:
    """Return the files that `python -m unittest discover` would take and pytest would not; pytest runs them by name."""
    found = []
    for path in sorted(root.rglob(_UNITTEST_FILES)):
        relative = path.relative_to(root)
        if NOT_COPIED.isdisjoint(relative.parts) and _UNITTEST.search(target_files.text(root, relative.as_posix())):
            found.append(relative)
    return found[:_MAX_UNITTEST_FILES]


def uses_xdist(arguments: list[str]) -> bool:
    """Say whether these arguments of pytest ask for worker processes."""
    return any(argument.startswith(("-n", "--numprocesses", "--dist")) for argument in arguments)


def check_arguments(arguments: tuple[str, ...]) -> None:
    """Refuse arguments for pytest that would leave the copy or take away the engine's own.

    Raises:
        EngineError: `incompatible_task`, with the argument and the reason.
    """
    for argument in arguments:
        name = argument.partition("=")[0]
        reason = None
        if "\0" in argument:
            reason = "it holds a NUL character"
        elif (
            name in _REFUSED or name.startswith("--cov-") or argument[:2] in _REFUSED_SHORT or "sanctuary_" in argument
        ):
            reason = "the engine sets it itself, or it would write outside the copy of the target or run no test"
        elif not argument.startswith("-") and (argument.startswith("/") or ".." in Path(argument).parts):
            reason = "paths are relative to the target and stay inside it"
        if reason:
            raise EngineError(f"params.pytest_args: {argument[:100]!r} is refused: {reason}", code="incompatible_task")


def _configuration(root: Path) -> tuple[str | None, list[str]]:
    """Return the file that pytest takes its configuration from and its `addopts`, in pytest's order of precedence."""
    for name, section in (
        ("pytest.toml", "pytest"),
        (".pytest.toml", "pytest"),
        ("pytest.ini", "pytest"),
        (".pytest.ini", "pytest"),
        ("pyproject.toml", "tool.pytest"),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ):
        found = _toml_addopts(root / name) if name.endswith(".toml") else _ini_addopts(root / name, section)
        if found is not None:
            return name, found
    return None, []


def _toml_addopts(path: Path) -> list[str] | None:
    content = target_files.toml(path.parent, path.name)
    if path.name == "pyproject.toml":
        content = content.get("tool", {})
    table = content.get("pytest")
    if not isinstance(table, dict):
        return None
    addopts = table.get("ini_options", table).get("addopts", [])
    return addopts.split() if isinstance(addopts, str) else [str(part) for part in addopts]


def _ini_addopts(path: Path, section: str) -> list[str] | None:
    parser = target_files.ini(path.parent, path.name)
    if not parser.has_section(section):
        # pytest takes an empty pytest.ini for a configuration too
        return [] if path.is_file() and path.name in {"pytest.ini", ".pytest.ini"} else None
    return parser.get(section, "addopts", fallback="").split()
