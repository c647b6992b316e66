"""Whose code a file is that a profile names, and its lines; a profile is written by the target's process and may name any."""

from pathlib import Path

from clones.engines.running.profile_fold import Kind

_TEST_DIRECTORIES = frozenset({"tests", "test", "t", "testing"})


class Places:
    """Files of a run: of the copy, of installed packages, of the standard library."""

    def __init__(self, copy: Path, stdlib: tuple[Path, ...]) -> None:
        self._copy = copy.resolve()
        self._stdlib = stdlib
        self._sources: dict[str, list[str]] = {}

    def place(self, path: str) -> tuple[Kind, str]:
        """Say whose code `path` is, and name it relative to where its packages are imported from."""
        if path.startswith("<"):
            return Kind.STDLIB, path
        absolute = self._copy / path
        if absolute.is_relative_to(self._copy):
            inner = absolute.relative_to(self._copy)
            is_test = not _TEST_DIRECTORIES.isdisjoint(inner.parts[:1]) or "tests" in inner.parts[:-1]
            is_test = is_test or inner.name.startswith("test_") or inner.name in {"conftest.py", "tests.py"}
            return Kind.TESTS if is_test else Kind.TARGET, inner.as_posix()
        for name in ("site-packages", "dist-packages"):
            if name in absolute.parts:
                start = len(absolute.parts) - absolute.parts[::-1].index(name)
                return Kind.THIRD_PARTY, "/".join(absolute.parts[start:])
        for directory in self._stdlib:
            if absolute.is_relative_to(directory):
                return Kind.STDLIB, absolute.relative_to(directory).as_posix()
        return Kind.THIRD_PARTY, path

    def line(self, path: str, number: int) -> str:
        """Return a line of source without its indentation; empty for files that belong to no part of the run."""
        if path not in self._sources:
            self._sources[path] = self._read(path)
        lines = self._sources[path]
        return lines[number - 1].strip()[:200] if 0 < number <= len(lines) else ""

    def _read(self, path: str) -> list[str]:
        file = (self._copy / path).resolve()
        packages = any(name in file.parts for name in ("site-packages", "dist-packages"))
        inside = packages or any(file.is_relative_to(directory) for directory in (self._copy, *self._stdlib))
        if file.suffix != ".py" or not inside:
            return []
        try:
            return file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
