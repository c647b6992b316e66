"""The import graph of a target by grimp, which parses the sources and imports none of them.

grimp finds packages with `importlib`, which runs parent packages and mistakes a target for an installed or loaded package
of the same name. Here it is told the files instead, through its two finder ports.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import grimp
import msgspec
from grimp.application.config import settings
from grimp.application.ports.filesystem import AbstractFileSystem
from grimp.application.ports.modulefinder import AbstractModuleFinder, FoundPackage, ModuleFile
from grimp.application.ports.packagefinder import AbstractPackageFinder
from grimp.domain.valueobjects import Module
from grimp.exceptions import SourceSyntaxError

from clones.engines.architecture.discovery import Unit
from clones.engines.architecture.source import SourceFacts
from clones.engines.contract import NotAnalysed


class ImportLine(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One line that imports."""

    line: int
    code: str
    deferred: bool
    """Inside a function."""
    typing_only: bool
    """Under `if TYPE_CHECKING`."""


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """That one module imports another; grimp counts this as one import, whatever the number of lines."""

    importer: str
    imported: str
    lines: tuple[ImportLine, ...]

    @property
    def typing_only(self) -> bool:
        """Whether it never happens at run time."""
        return all(line.typing_only for line in self.lines)

    @property
    def deferred(self) -> bool:
        """Whether it happens at run time, but not while the importer is being imported."""
        return not self.typing_only and all(line.deferred for line in self.lines if not line.typing_only)


class ModuleGraph(msgspec.Struct, frozen=True, kw_only=True):
    """The modules of a target and the imports between them."""

    files: Mapping[str, str]
    """Module name to its file. A module whose name is taken by another of the same target is `directory:name`."""
    imports: tuple[Import, ...]
    """Sorted by importer and imported, those for type checking only among them."""
    external: Mapping[str, int]
    """Top-level package outside the target, the standard library left out, to the number of modules that import it."""
    outside: tuple[Import, ...]
    """Imports of packages outside the target, the standard library among them, sorted by importer and imported."""
    stdlib: int
    """How many modules of the standard library are imported."""
    unreadable: tuple[NotAnalysed, ...]


def build(target: Path, units: Sequence[Unit], others: Sequence[Unit], facts: Mapping[str, SourceFacts]) -> ModuleGraph:
    """Return the graph of `units`; `others` are the target's own too, thus not external, but not in the graph."""
    unreadable: dict[str, NotAnalysed] = {}
    files: dict[str, str] = {}
    imports: list[Import] = []
    outside: list[Import] = []
    for universe in _universes(units):
        scanned = _Scan(target, universe, facts, unreadable)
        files.update(scanned.files)
        imports.extend(scanned.imports)
        outside.extend(scanned.outside)
    own = {unit.name.partition(".")[0] for unit in (*units, *others)}
    foreign = [edge for edge in outside if edge.imported.partition(".")[0] not in own]
    third_party = Counter(edge.imported for edge in foreign if not is_stdlib(edge.imported))
    return ModuleGraph(
        files=dict(sorted(files.items())),
        imports=tuple(sorted(imports, key=lambda edge: (edge.importer, edge.imported))),
        external=dict(sorted(third_party.items(), key=lambda item: (-item[1], item[0]))),
        outside=tuple(sorted(foreign, key=lambda edge: (edge.importer, edge.imported))),
        stdlib=sum(map(is_stdlib, {edge.imported for edge in foreign})),
        unreadable=tuple(unreadable[file] for file in sorted(unreadable)),
    )


class _Universe(msgspec.Struct, frozen=True, kw_only=True):
    """Units with distinct names, so that a name means one module; `new` are those whose imports are taken from it."""

    units: tuple[Unit, ...]
    new: frozenset[str]
    qualified: bool
    """Whether the names of the new ones get their directory, being taken in the first universe."""


def _universes(units: Sequence[Unit]) -> list[_Universe]:
    """Split `units` so that no name occurs twice in a universe; each further one sees the first beside itself."""
    layers: list[_Names] = []
    for unit in sorted(units, key=lambda unit: (not unit.is_package, unit.root.count("/"), unit.root, unit.name)):
        home = next((layer for layer in layers if not layer.clashes(unit.name)), None)
        if home is None:
            layers.append(home := _Names())
        home.add(unit)
    universes = []
    for index, layer in enumerate(layers):
        seen = [*layer.units.values(), *(unit for name, unit in layers[0].units.items() if not layer.clashes(name))]
        universes.append(
            _Universe(
                units=tuple(seen) if index else tuple(layer.units.values()),
                new=frozenset(layer.units),
                qualified=index > 0,
            )
        )
    return universes


class _Names:
    """Units of which no name is equal to, above or below another, for grimp wants disjoint packages."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}
        self._above: set[str] = set()

    def add(self, unit: Unit) -> None:
        self.units[unit.name] = unit
        self._above.update(ancestors(unit.name))

    def clashes(self, name: str) -> bool:
        return name in self._above or name in self.units or any(above in self.units for above in ancestors(name))


class _Scan:
    """grimp's answer for one universe, in terms of the target's files."""

    def __init__(
        self,
        target: Path,
        universe: _Universe,
        facts: Mapping[str, SourceFacts],
        unreadable: dict[str, NotAnalysed],
    ) -> None:
        self._target = target
        self._unit_of = {unit.module_of(file): unit for unit in universe.units for file in unit.files}
        self._file_of = {unit.module_of(file): file for unit in universe.units for file in unit.files}
        self._new = {module for module, unit in self._unit_of.items() if unit.name in universe.new}
        self._qualified = universe.qualified
        for module in [module for module, file in self._file_of.items() if file in unreadable]:
            del self._file_of[module]
        try:
            everything = self._build(self._file_of, universe.units)
        except BaseException as error:
            if _refusal(error) is None:
                raise
            self._drop_unreadable(universe.units, unreadable)
            everything = self._build(self._file_of, universe.units)
        runtime = self._build(self._file_of, universe.units, exclude_type_checking_imports=True)
        self.files = {self._shown(name): file for name, file in self._file_of.items() if name in self._new}
        self.imports: list[Import] = []
        self.outside: list[Import] = []
        for importer in sorted(self._new & self._file_of.keys()):
            deferred_lines = facts[self._file_of[importer]].deferred_lines
            for imported in sorted(everything.find_modules_directly_imported_by(importer)):
                lines = _lines(everything, runtime, importer, imported, deferred_lines)
                if imported not in self._file_of or not self._sees(importer, imported):
                    self.outside.append(Import(importer=self._shown(importer), imported=imported, lines=lines))
                    continue
                edge = Import(importer=self._shown(importer), imported=self._shown(imported), lines=lines)
                self.imports.append(edge)

    def _build(
        self, files: Mapping[str, str], units: Sequence[Unit], *, exclude_type_checking_imports: bool = False
    ) -> grimp.ImportGraph:
        held = {unit.name for module in files if (unit := self._unit_of[module])}
        with _finding(self._target, [unit for unit in units if unit.name in held], files):
            return (
                grimp.build_graph(
                    *sorted(held),
                    include_external_packages=True,
                    exclude_type_checking_imports=exclude_type_checking_imports,
                    cache_dir=None,
                )
                if held
                else grimp.ImportGraph()
            )

    def _drop_unreadable(self, units: Sequence[Unit], unreadable: dict[str, NotAnalysed]) -> None:
        for module, file in list(self._file_of.items()):
            try:
                self._build({module: file}, units)
            except BaseException as error:
                reason = _refusal(error)
                if reason is None:
                    raise
            else:
                continue
            del self._file_of[module]
            unreadable[file] = NotAnalysed(
                subject=file, reason=f"not in the import graph (imports of it count for its package): {reason}"
            )

    def _sees(self, importer: str, imported: str) -> bool:
        """Tell whether the import means this module: a single file is found only from its own directory."""
        unit = self._unit_of[imported]
        return unit.is_package or unit.root == self._unit_of[importer].root

    def _shown(self, module: str) -> str:
        root = self._unit_of[module].root
        return f"{root}:{module}" if self._qualified and module in self._new else module


def _refusal(error: BaseException) -> str | None:
    """Return why grimp does not read a file; None for what is no matter of one file."""
    match error:
        case SourceSyntaxError():
            return f"syntax error in line {error.lineno or '?'}"
        case UnicodeError():
            return "it is not in the encoding that it declares (UTF-8 unless it says otherwise)"
        case OSError():
            return f"it cannot be read: {error.strerror}"
    # what its Rust raises where it gives up is no Exception, and can be imported from nowhere
    if type(error).__name__ == "PanicException":
        return "its imports cannot be followed; one with several dots leads above the topmost package"
    return None


def _lines(
    everything: grimp.ImportGraph,
    runtime: grimp.ImportGraph,
    importer: str,
    imported: str,
    deferred_lines: frozenset[int],
) -> tuple[ImportLine, ...]:
    at_run_time: set[int] = set()
    if importer in runtime.modules and imported in runtime.modules:
        details = runtime.get_import_details(importer=importer, imported=imported)
        at_run_time = {detail["line_number"] for detail in details}
    return tuple(
        sorted(
            ImportLine(
                line=detail["line_number"],
                code=detail["line_contents"].strip(),
                deferred=detail["is_lazy"] or detail["line_number"] in deferred_lines,
                typing_only=detail["line_number"] not in at_run_time,
            )
            for detail in everything.get_import_details(importer=importer, imported=imported)
        )
    )


class _Packages(AbstractPackageFinder):
    def __init__(self, directories: Mapping[str, str]) -> None:
        self._directories = directories

    def determine_package_directories(self, package_name: str, file_system: AbstractFileSystem) -> set[str]:
        return {self._directories[package_name]}


class _Modules(AbstractModuleFinder):
    def __init__(self, modules: Mapping[str, frozenset[ModuleFile]]) -> None:
        self._modules = modules

    def find_package(self, package_name: str, package_directory: str, file_system: AbstractFileSystem) -> FoundPackage:
        return FoundPackage(
            name=package_name,
            directory=package_directory,
            module_files=self._modules[package_name],
            namespace_packages=frozenset(),
        )


@contextlib.contextmanager
def _finding(target: Path, units: Sequence[Unit], files: Mapping[str, str]) -> Iterator[None]:
    """Make grimp see `units`, and of their modules those in `files`."""
    before = settings.PACKAGE_FINDER, settings.MODULE_FINDER
    # grimp reads `<directory>/__init__.py` or `<directory>.py` for the unit's own name
    directories = {unit.name: str(target / unit.path) if unit.path else str(target) for unit in units}
    modules = {
        unit.name: frozenset(
            # mtime serves grimp's cache, which is off
            ModuleFile(module=Module(unit.module_of(file)), mtime=0.0)
            for file in unit.files
            if files.get(unit.module_of(file)) == file
        )
        for unit in units
    }
    settings.configure(PACKAGE_FINDER=_Packages(directories), MODULE_FINDER=_Modules(modules))
    try:
        yield
    finally:
        settings.configure(PACKAGE_FINDER=before[0], MODULE_FINDER=before[1])


def ancestors(name: str) -> list[str]:
    """Return the packages above a module, the nearest first; a directory before a colon stays in front of all."""
    directory, colon, dotted = name.rpartition(":")
    parts = dotted.split(".")
    return [f"{directory}{colon}{'.'.join(parts[:end])}" for end in range(len(parts) - 1, 0, -1)]


def is_stdlib(name: str) -> bool:
    """Tell whether a module is of the standard library of the Python that runs this."""
    return name.partition(".")[0] in sys.stdlib_module_names
