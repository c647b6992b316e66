"""The versions of packages that a target's files name, each with its place."""

import codecs
import re
from collections.abc import Callable
from pathlib import PurePosixPath

import msgspec

from clones.engines.security.osv import go_files, javascript_files, python_files
from clones.engines.security.osv.pin import Pin, PinnedFile
from clones.engines.security.osv.versions import Ecosystem

_REQUIREMENTS = re.compile(r"(?:.*[-_.])?(?:requirements?|constraints)(?:[-_.].*)?\.txt")
_PARSERS: dict[str, tuple[Ecosystem, Callable[[str], PinnedFile]]] = {
    "poetry.lock": ("PyPI", python_files.lock),
    "uv.lock": ("PyPI", python_files.lock),
    "pdm.lock": ("PyPI", python_files.lock),
    "pylock.toml": ("PyPI", python_files.lock),
    "Pipfile.lock": ("PyPI", python_files.pipfile_lock),
    "pyproject.toml": ("PyPI", python_files.pyproject),
    "package-lock.json": ("npm", javascript_files.package_lock),
    "npm-shrinkwrap.json": ("npm", javascript_files.package_lock),
    "yarn.lock": ("npm", javascript_files.yarn_lock),
    "pnpm-lock.yaml": ("npm", javascript_files.pnpm_lock),
    "package.json": ("npm", javascript_files.package_json),
    "go.mod": ("Go", go_files.go_mod),
}
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LOCKS = {
    "pyproject.toml": {"poetry.lock", "uv.lock", "pdm.lock", "pylock.toml"},
    "package.json": {"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml"},
}


class FileError(ValueError):
    """Why a file's packages are not known."""


def parser_of(name: str) -> tuple[Ecosystem, Callable[[str], PinnedFile]] | None:
    """Return the ecosystem of a file that names packages, and what reads its text; None for other files."""
    path = PurePosixPath(name)
    in_requirements = path.suffix == ".txt" and path.parent.name in {"requirements", "constraints"}
    if in_requirements or _REQUIREMENTS.fullmatch(path.name):
        return "PyPI", python_files.requirements
    return _PARSERS.get(path.name)


def read(name: str, content: bytes) -> PinnedFile:
    """Return what a file names.

    Raises:
        FileError: it is not written as such files are.
    """
    found = parser_of(name)
    if found is None:
        raise FileError("no file that names packages")
    try:
        return found[1](_text(content))
    except RecursionError:
        raise FileError("nested too deeply") from None
    except (ValueError, msgspec.MsgspecError) as error:
        raise FileError(f"not understood: {str(error).partition(chr(10))[0][:200]}") from None


def _text(content: bytes) -> str:
    """Return a file's text as its beginning says that it is written (PowerShell writes UTF-16), each line ending in a line feed."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors="replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def has_lock(name: str, files: frozenset[str]) -> bool:
    """Whether a lock file stands beside the file, or above it as in a workspace."""
    locks = _LOCKS.get(PurePosixPath(name).name, set())
    return any((parent / lock).as_posix() in files for parent in PurePosixPath(name).parents for lock in locks)


__all__ = ["FileError", "Pin", "PinnedFile", "has_lock", "parser_of", "read"]
