"""Which Python modules of a target are its API: no tests, vendored code, documents and examples.

Found from the file tree alone, nothing of the target runs. Symbolic links are not followed: they may lead out of it.
"""

import ast
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec

from clones.engines.contract import NotAnalysed

MAX_SOURCE_BYTES = 2_000_000
"""A larger Python file is generated or data, and would only drown the reference."""

TESTS = frozenset({"test", "tests"})
VENDORED = frozenset(
    {"_vendor", "_vendored", "vendor", "vendored", "third_party", "thirdparty", "site-packages", "node_modules"}
)
NOT_API = frozenset(
    {"docs", "doc", "example", "examples", "sample", "samples", "benchmark", "benchmarks", "build", "dist"}
)
_NO_SOURCE = ("__pycache__", ".egg-info", ".dist-info")
_TOOLING = frozenset({"setup.py", "conftest.py", "noxfile.py", "fabfile.py", "toxfile.py"})


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """One Python file that parses."""

    name: str
    """Dotted import name."""
    file: str
    """Path relative to the target, forward slashes."""

    @property
    def public(self) -> bool:
        """Whether every part of the name is public (`_compat` is not, `__main__` is)."""
        return not any(part.startswith("_") and not part.endswith("__") for part in self.name.split("."))


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """The modules of the API, by import root, and what was left out."""

    roots: dict[str, str]
    """Top package or module name to the directory, relative to the target, from which it is imported."""
    modules: tuple[Module, ...]
    not_analysed: tuple[NotAnalysed, ...]


def find(target: Path) -> Sources:
    """Return the public packages' modules below `target`; empty when there is no Python in it."""
    left_out: list[NotAnalysed] = []
    tops = _packages(target, left_out) or _namespace_packages(target)
    src = target / "src"
    tops += _single_modules(src)
    if not tops:
        tops = _single_modules(target)
    modules: dict[str, Module] = {}
    roots: dict[str, str] = {}
    for top, root in tops:
        skipped: list[NotAnalysed] = []
        found = [module for file in _files(target, top, skipped) if (module := _module(target, root, file, skipped))]
        if top.is_dir() and _is_test_package(found):
            left_out.append(_skip(target, top, "tests are not part of the API"))
            continue
        left_out += skipped
        for module in found:
            if module.name in modules:
                reason = f"a second module named {module.name}; {modules[module.name].file} is described"
                left_out.append(NotAnalysed(subject=module.file, reason=reason))
            else:
                modules[module.name] = module
                roots.setdefault(module.name.split(".")[0], root.relative_to(target).as_posix())
    ordered = tuple(modules[name] for name in sorted(modules))
    return Sources(roots=roots, modules=ordered, not_analysed=tuple(left_out))


def _packages(target: Path, left_out: list[NotAnalysed]) -> list[tuple[Path, Path]]:
    """Every topmost package directory, with the directory it is imported from."""
    found: list[tuple[Path, Path]] = []
    for name, directories, files in os.walk(target):
        directory = Path(name)
        if directory != target and "__init__.py" in files:
            root = target / "src" if (target / "src") in directory.parents else directory.parent
            found.append((directory, root))
            directories.clear()
            continue
        directories[:] = _walked(target, directory, directories, TESTS | VENDORED | NOT_API, left_out)
    return found


def _namespace_packages(target: Path) -> list[tuple[Path, Path]]:
    """Without any `__init__.py`: the directories of `src/` that hold Python files (PEP 420)."""
    src = target / "src"
    if not src.is_dir():
        return []
    return [(entry, src) for entry in sorted(src.iterdir()) if _plain_dir(entry) and any(entry.rglob("*.py"))]


def _single_modules(directory: Path) -> list[tuple[Path, Path]]:
    if not directory.is_dir() or (directory / "__init__.py").exists():
        return []
    files = sorted(directory.glob("*.py"))
    return [(file, directory) for file in files if file.name not in _TOOLING and not _is_test_file(file.name)]


def _files(target: Path, top: Path, left_out: list[NotAnalysed]) -> Iterator[Path]:
    if top.is_file():
        yield top
        return
    for name, directories, files in os.walk(top):
        directory = Path(name)
        directories[:] = _walked(target, directory, directories, TESTS | VENDORED, left_out)
        for file in sorted(files):
            if file.endswith(".py"):
                yield directory / file
            elif file.endswith(".pyi") and file.removesuffix("i") not in files:
                left_out.append(_skip(target, directory / file, "a type stub without its Python module"))


def _walked(
    target: Path, directory: Path, names: list[str], refused: frozenset[str], left_out: list[NotAnalysed]
) -> list[str]:
    """Return the sub-directories to go into, in order; what is left out for its name and holds Python is told."""
    kept = []
    for name in sorted(names):
        path = directory / name
        if (
            name.startswith(".")
            or name == "__pycache__"
            or name.endswith((".egg-info", ".dist-info"))
            or path.is_symlink()
        ):
            continue
        if (path / "pyvenv.cfg").exists():
            left_out.append(_skip(target, path, "a virtual environment"))
        elif name not in refused:
            kept.append(name)
        elif any(path.rglob("*.py")):
            left_out.append(_skip(target, path, _reason(name)))
    return kept


def _module(target: Path, root: Path, file: Path, left_out: list[NotAnalysed]) -> Module | None:
    """Return the module in `file`, or None with the reason noted."""
    if file.is_symlink():
        left_out.append(_skip(target, file, "a symbolic link"))
        return None
    if (reason := _unreadable(file)) is not None:
        left_out.append(_skip(target, file, reason))
        return None
    parts = file.relative_to(root).with_suffix("").parts
    if not all(part.isidentifier() for part in parts):
        left_out.append(_skip(target, file, "its name cannot be imported"))
        return None
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name=name, file=file.relative_to(target).as_posix())


def _unreadable(file: Path) -> str | None:
    """Say why reference and coverage cannot read `file`; None when they can (UTF-8, this Python's grammar)."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            return "is no regular file"
        if (size := status.st_size) > MAX_SOURCE_BYTES:
            return f"{size} bytes, over the limit of {MAX_SOURCE_BYTES} for a source file"
        with warnings.catch_warnings():  # what Python thinks of the target's escapes is not our user's business
            warnings.simplefilter("ignore")
            ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        return f"does not parse: {error.msg} (line {error.lineno})"
    except UnicodeDecodeError:
        return "is not UTF-8"
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return f"cannot be read: {error}"
    return None


def _is_test_file(name: str) -> bool:
    return name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"


def _is_test_package(modules: list[Module]) -> bool:
    """Whether test files prevail, `__init__.py` aside: a package of tests under another name (`t`, `flask_tests`)."""
    names = [module.file.rsplit("/", 1)[-1] for module in modules]
    real = [name for name in names if name != "__init__.py"]
    return sum(map(_is_test_file, real)) * 2 > len(real)


def _plain_dir(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not path.name.startswith(".") and path.suffix != ".egg-info"


def _reason(name: str) -> str:
    if name in TESTS:
        return "tests are not part of the API"
    return "vendored code" if name in VENDORED else "documents, examples and builds are not part of the API"


def _skip(target: Path, path: Path, reason: str) -> NotAnalysed:
    return NotAnalysed(subject=path.relative_to(target).as_posix() + ("/" if path.is_dir() else ""), reason=reason)
