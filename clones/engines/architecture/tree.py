"""The files of a target that are read: nothing vendored, generated, hidden or linked."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from clones.engines.contract import NotAnalysed

MAX_FILES = 50_000
MAX_FILE_BYTES = 1024 * 1024
"""Larger source files are data or generated, and would cost minutes."""

_SKIPPED = frozenset(
    {
        *("node_modules", "bower_components", "site-packages", "dist-packages", "__pycache__", "__pypackages__"),
        *(
            "build",
            "dist",
            "target",
            "out",
            "vendor",
            "vendored",
            "third_party",
            "thirdparty",
            "venv",
            "env",
            "htmlcov",
        ),
    }
)
"""Skipped where they are no Python package: `pkg/build/__init__.py` is somebody's module."""


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """What was found below a target; paths are relative to it, with forward slashes, sorted."""

    files: tuple[str, ...]
    left_out: tuple[NotAnalysed, ...]

    @property
    def python(self) -> tuple[str, ...]:
        """The Python files."""
        return tuple(file for file in self.files if file.endswith(".py"))


def walk(target: Path) -> Tree:
    """List the regular files below `target`; links are not followed, so that nothing outside is read."""
    files: list[str] = []
    left_out: list[NotAnalysed] = []
    for path, size in _files(target):
        name = path.relative_to(target).as_posix()
        if not _is_utf8(name):
            shown = name.encode(errors="replace").decode()
            left_out.append(NotAnalysed(subject=shown, reason="its name is not UTF-8"))
        elif size > MAX_FILE_BYTES and name.endswith(".py"):
            left_out.append(NotAnalysed(subject=name, reason=f"larger than {MAX_FILE_BYTES // 1024} KiB"))
        elif size <= MAX_FILE_BYTES:
            files.append(name)
        if len(files) >= MAX_FILES:
            left_out.append(NotAnalysed(subject=".", reason=f"only the first {MAX_FILES} files were looked at"))
            break
    return Tree(files=tuple(sorted(files)), left_out=tuple(left_out))


def _files(target: Path) -> Iterator[tuple[Path, int]]:
    for directory, subdirectories, names in os.walk(target):
        here = Path(directory)
        subdirectories[:] = sorted(name for name in subdirectories if not _is_skipped(here / name))
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            yield path, path.stat().st_size


def _is_skipped(directory: Path) -> bool:
    name = directory.name
    if name.startswith(".") or name.endswith((".egg-info", ".dist-info")):
        return True
    if (directory / "__init__.py").is_file():
        return False
    return name in _SKIPPED or (directory / "pyvenv.cfg").exists()


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
