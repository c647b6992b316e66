"""Find the importable packages and single modules of a target, and the names they are imported by.

Only names and facts about sources are looked at; nothing of the target is imported. A directory with `__init__.py` whose
parent has none is a package; a Python file in a directory without `__init__.py` is a single module. What stands before
its last component (`google.cloud.` of a namespace package) is taken from how the target's own code imports it.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from clones.engines.architecture.source import SourceFacts

Role = Literal["source", "script", "example", "test", "docs"]

_ROLE_OF_DIRECTORY: Mapping[str, Role] = {
    **dict.fromkeys(("test", "tests", "spec", "specs"), "test"),
    **dict.fromkeys(("doc", "docs", "documentation"), "docs"),
    **dict.fromkeys(("example", "examples", "demo", "demos", "sample", "samples", "tutorial", "tutorials"), "example"),
    **dict.fromkeys(
        ("script", "scripts", "tool", "tools", "extra", "extras", "ci", "benchmark", "benchmarks"), "script"
    ),
}
_BUILD_FILES = frozenset({"setup.py", "noxfile.py", "conftest.py", "fabfile.py", "tasks.py", "dodo.py", "conf.py"})
_MAIN_DIRECTORIES = ("src", "lib")
_TEST_SHARE = 0.5
"""A package where at least this share of the non-empty files are tests is a test package, whatever its name."""


class Unit(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A package or a single module that can be imported by a name of its own."""

    root: str
    """The directory that is on `sys.path` for it, relative to the target; empty for the target itself."""
    name: str
    """The dotted name, as in `import name`."""
    path: str
    """The package's directory, or the module's file without its suffix, relative to the target."""
    files: tuple[str, ...]
    """Its Python files, relative to the target."""
    is_package: bool
    role: Role
    implicit: frozenset[str] = frozenset()
    """Those of `files` that are below a directory without `__init__.py`; Python imports them, plain grimp misses them."""
    unread: frozenset[str] = frozenset()
    """Those of `files` that are left out of the graph because they cannot be read; grimp by itself ends at the first."""

    def module_of(self, file: str) -> str:
        """Return the dotted name of one of its files."""
        parts = PurePosixPath(file).with_suffix("").relative_to(self.path).parts
        return ".".join((self.name, *(parts[:-1] if parts[-1:] == ("__init__",) else parts)))


def find_units(files: Sequence[str], facts: Mapping[str, SourceFacts], target_name: str) -> list[Unit]:
    """Return the units among the Python `files` of a target, sorted by root and name.

    `target_name` is the package's name where the target is itself the directory of a package.
    """
    package_directories = {_parent(file) for file in files if PurePosixPath(file).name == "__init__.py"}
    imported = {name for fact in facts.values() for name in fact.imported}
    if "" in package_directories and not _imports_from_target(files, imported):
        name = re.sub(r"\W|^(?=\d)", "_", target_name)
        held = tuple(file for file in files if _is_reachable(file, package_directories))
        whole = Unit(root="", name=name, path="", files=held, is_package=True, role="source")
        return _with_implicit([whole], files, facts)
    package_directories.discard("")
    members: dict[str, list[str]] = {}
    for file in files:
        top = _top_of(file, package_directories)
        if top is not None and file != "__init__.py":
            members.setdefault(top, []).append(file)
    naming = _Naming(members, imported)
    units = []
    for top, held_files in sorted(members.items()):
        root = naming.root(top)
        path = top.removesuffix(".py")
        unit = Unit(
            root=root,
            name=PurePosixPath(path).relative_to(root).as_posix().replace("/", "."),
            path=path,
            files=tuple(sorted(held_files)),
            is_package=path == top,
            role=_role(top, root, held_files, facts),
        )
        if all(part.isidentifier() for part in unit.name.split(".")[:-1]) and "." not in PurePosixPath(path).name:
            units.append(unit)
    return sorted(_with_implicit(units, files, facts))


def role_of_path(path: str) -> Role:
    """Return what the names of the directories above a file say that it is."""
    return next((role for part in PurePosixPath(path).parts[:-1] if (role := _ROLE_OF_DIRECTORY.get(part))), "source")


def unreachable(files: Sequence[str], units: Sequence[Unit]) -> list[str]:
    """Return the Python files that no unit holds: below a package but without `__init__.py`, or no identifiers."""
    held = {file for unit in units for file in unit.files}
    return [file for file in files if file not in held]


def analysed(units: Sequence[Unit]) -> list[Unit]:
    """Return the units whose architecture is asked for: the sources, or everything where there are none."""
    sources = [unit for unit in units if unit.role == "source"]
    return sources or list(units)


class _Naming:
    """Decides what directory each package or single module is imported from."""

    def __init__(self, tops: Mapping[str, object], imported: set[str]) -> None:
        prefixes: set[str] = set()
        for name in imported:
            while name and name not in prefixes:
                prefixes.add(name)
                name = name.rpartition(".")[0]  # noqa: PLW2901 (walks up the dotted name)
        self._roots = {top: _root_by_imports(top, prefixes) for top in tops}
        # directories between such a root and what is imported from it are namespace packages, also for their other files
        self._namespaces: dict[str, str] = {}
        for top, root in self._roots.items():
            directory = _parent(top)
            while root is not None and directory != root:
                self._namespaces.setdefault(directory, root)
                directory = _parent(directory)

    def root(self, top: str) -> str:
        by_imports = self._roots[top]
        if by_imports is not None:
            return by_imports
        directory = _parent(top)
        while directory:
            if directory in self._namespaces:
                return self._namespaces[directory]
            directory = _parent(directory)
        parts = PurePosixPath(top).parts[:-1]
        # below src/ the whole path counts; elsewhere, nothing speaks for a namespace package
        return "/".join(parts[: parts.index("src") + 1]) if "src" in parts else _parent(top)


def _root_by_imports(top: str, prefixes: set[str]) -> str | None:
    parts = PurePosixPath(top).with_suffix("").parts
    first = max((index + 1 for index, part in enumerate(parts[:-1]) if part in _MAIN_DIRECTORIES), default=0)
    for start in range(first, len(parts) - 1):
        if ".".join(parts[start:]) in prefixes:
            return "/".join(parts[:start])
    return None


def _top_of(file: str, package_directories: set[str]) -> str | None:
    """Return the topmost package directory above `file`, the file itself if single, None if Python cannot name it."""
    directories = [str(directory) for directory in PurePosixPath(file).parents][:-1]
    top = next((directory for directory in reversed(directories) if directory in package_directories), None)
    if top is None:
        return file
    return top if _is_reachable(file, package_directories, top) else None


def _is_reachable(file: str, package_directories: set[str], top: str = "") -> bool:
    """Tell whether every directory from `top` down to the file has an `__init__.py` and a name Python can write.

    The file's own name need not be one (`0001_initial.py`), as for grimp, but must have no further dot.
    """
    below = PurePosixPath(_parent(file)).relative_to(top)
    directory = _parent(file)
    if PurePosixPath(file).name.count(".") != 1:
        return False
    while directory != top:
        if directory not in package_directories:
            return False
        directory = _parent(directory)
    return all(part.isidentifier() for part in below.parts)


def _with_implicit(units: Sequence[Unit], files: Sequence[str], facts: Mapping[str, SourceFacts]) -> list[Unit]:
    """Give packages the files in their directories without `__init__.py` from which something is imported.

    Without that evidence such a directory may as well hold templates or data.
    """
    imported_paths = _imported_paths(units, facts)
    lost = unreachable(files, units)
    adopted = []
    for unit in units:
        extra = [
            file
            for file in lost
            if unit.is_package and (unit.path == "" or file.startswith(f"{unit.path}/"))
            if _below(file, unit.path)
            and all(part.isidentifier() for part in PurePosixPath(_parent(file)).relative_to(unit.path).parts)
            and all(f"{here}/__init__.py" in facts or here in imported_paths for here in _below(file, unit.path))
        ]
        merged = tuple(sorted((*unit.files, *extra)))
        adopted.append(msgspec.structs.replace(unit, files=merged, implicit=frozenset(extra)))
    return adopted


def _below(file: str, top: str) -> list[str]:
    """Return the directories from the file's own up to, but without, `top`."""
    above = PurePosixPath(_parent(file))
    return [str(path) for path in (above, *above.parents) if path.is_relative_to(top) and str(path) not in {top, "."}]


def _imported_paths(units: Sequence[Unit], facts: Mapping[str, SourceFacts]) -> set[str]:
    """Return the paths, without suffix, that imports lead to or through."""
    paths: set[str] = set()
    for file, fact in facts.items():
        for level, name in fact.relative:
            base = [_parent(file), *map(str, PurePosixPath(_parent(file)).parents)]
            if level <= len(base):
                paths.add("/".join((base[level - 1], *name.split("."))))
    package_paths = {unit.name: unit.path for unit in units if unit.is_package}
    for name in {name for fact in facts.values() for name in fact.imported}:
        parts = name.split(".")
        for end in range(1, len(parts)):
            path = package_paths.get(".".join(parts[:end]))
            if path is not None:
                paths.add("/".join(filter(None, (path, *parts[end:]))))
    through = {str(above) for path in paths for above in PurePosixPath(path).parents}
    return paths | through


def _imports_from_target(files: Sequence[str], imported: set[str]) -> bool:
    """Tell whether code names the target's own top directories in imports: then its `__init__.py` makes no package."""
    tops = {file.partition("/")[0] for file in files if "/" in file}
    return any(name.partition(".")[0] in tops for name in imported)


def _role(top: str, root: str, files: Sequence[str], facts: Mapping[str, SourceFacts]) -> Role:
    name = PurePosixPath(top).name
    if "/" not in top and name in _BUILD_FILES:
        return "script"
    parts = list(PurePosixPath(top).with_suffix("").parts)
    if any(main in PurePosixPath(root).parts for main in _MAIN_DIRECTORIES):
        parts = list(PurePosixPath(root).parts)
    roles: list[Role] = [_ROLE_OF_DIRECTORY[part] for part in parts if part in _ROLE_OF_DIRECTORY]
    if roles:
        return roles[0]
    kinds = Counter(_is_test_file(file) for file in files if not facts[file].is_empty)
    return "test" if kinds[True] and kinds[True] >= _TEST_SHARE * kinds.total() else "source"


def _is_test_file(file: str) -> bool:
    stem = PurePosixPath(file).stem
    return stem.startswith("test_") or stem.endswith("_test") or stem == "conftest"


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
