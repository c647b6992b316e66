"""What griffe reads of a target's modules, for those who describe or compare its API.

Nothing of the target is imported: griffe sees a copy of the chosen files alone, with inspection switched off.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import griffe
import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.documentation.sources import Module


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The modules as griffe's objects."""

    tops: Mapping[str, griffe.Module]
    """Top package or module name to it; those that griffe could not read are missing."""
    not_analysed: tuple[NotAnalysed, ...]

    def find(self, name: str) -> griffe.Module | None:
        """Return the module of a dotted name."""
        top, _, below = name.partition(".")
        try:
            found = self.tops[top][below] if below else self.tops[top]
        except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
            return None
        return found if isinstance(found, griffe.Module) else None


def load(target: Path, modules: Sequence[Module]) -> Loaded:
    """Read `modules` of `target`, with the imports between them resolved."""
    with TemporaryDirectory(prefix="sanctuary-api-") as stage:
        for module in modules:
            copy = _staged(Path(stage), module)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target / module.file, copy)
        _mark_packages(Path(stage))
        loader = griffe.GriffeLoader(search_paths=[stage], allow_inspection=False, store_source=False)
        failed = []
        tops = sorted({module.name.split(".")[0] for module in modules})
        with griffe.logger.disable():
            for top in tops:
                try:
                    loader.load(top, try_relative_path=False)
                except (griffe.GriffeError, ImportError, RecursionError) as error:
                    failed.append(NotAnalysed(subject=top, reason=f"griffe could not read it: {error}"))
            loader.resolve_aliases(implicit=False, external=False)
    read = {
        top: found for top in tops if isinstance(found := loader.modules_collection.members.get(top), griffe.Module)
    }
    return Loaded(tops=read, not_analysed=tuple(failed))


def exports(module: griffe.Module, files: Mapping[str, str]) -> Iterator[tuple[str, griffe.Object]]:
    """Yield what `module` offers under its own name but another module of the target defines, where it means to.

    Meant is what `__all__` lists, or, in a package's `__init__` without one, every public name it imports at run time.
    """
    for name, member in module.members.items():
        if not isinstance(member, griffe.Alias) or not member.runtime:
            continue
        listed = name in module.exports if module.exports else module.is_init_module and not name.startswith("_")
        if not listed:
            continue
        try:
            final = member.final_target
        except (griffe.AliasResolutionError, griffe.CyclicAliasError):
            continue
        if not isinstance(final, griffe.Module) and final.module.path in files:
            yield name, final


def _mark_packages(stage: Path) -> None:
    """Give directories without an `__init__.py` an empty one: Python imports from them (PEP 420), griffe would not."""
    for directory in {parent for file in stage.rglob("*.py") for parent in file.parents if stage in parent.parents}:
        (directory / "__init__.py").touch()


def _staged(stage: Path, module: Module) -> Path:
    path = stage.joinpath(*module.name.split("."))
    return path / "__init__.py" if module.file.endswith("__init__.py") else path.with_suffix(".py")
