"""The API reference: griffe reads the modules' source, one Markdown page describes each public module.

Nothing of the target is imported: griffe sees a copy of the chosen files alone, with inspection switched off.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import griffe
import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.documentation.pages import Page
from clones.engines.documentation.sources import Module


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """The pages, and the private modules that they reach into."""

    pages: tuple[Page, ...]
    reached: frozenset[str]
    """Private modules from which a public one re-exports something: what is public in them is part of the API."""
    not_analysed: tuple[NotAnalysed, ...]


def build(target: Path, modules: Sequence[Module]) -> Reference:
    """Read `modules` of `target` and lay out one page a public module, in the order of their names."""
    with TemporaryDirectory(prefix="sanctuary-api-") as stage:
        for module in modules:
            copy = _staged(Path(stage), module)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target / module.file, copy)
        _mark_packages(Path(stage))
        loader = griffe.GriffeLoader(search_paths=[stage], allow_inspection=False, store_source=False)
        failed = _load(loader, modules)
        pages: list[Page] = []
        reached: set[str] = set()
        files = {module.name: module.file for module in modules}
        for module in modules:
            if not module.public or (found := _find(loader, module.name)) is None:
                continue
            exports = tuple(_exports(found, files))
            reached |= {export.module.path for _, export in exports} - {each.name for each in modules if each.public}
            pages.append(Page(module=found, exports=exports, files=files))
    return Reference(pages=tuple(pages), reached=frozenset(reached), not_analysed=tuple(failed))


def _load(loader: griffe.GriffeLoader, modules: Sequence[Module]) -> list[NotAnalysed]:
    failed = []
    with griffe.logger.disable():
        for top in sorted({module.name.split(".")[0] for module in modules}):
            try:
                loader.load(top, try_relative_path=False)
            except (griffe.GriffeError, ImportError, RecursionError) as error:
                failed.append(NotAnalysed(subject=top, reason=f"griffe could not read it: {error}"))
        loader.resolve_aliases(implicit=False, external=False)
    failed += [
        NotAnalysed(subject=module.file, reason="no page: griffe does not find the module under its package")
        for module in modules
        if module.public
        and _find(loader, module.name) is None
        and module.name.split(".")[0] in loader.modules_collection
    ]
    return failed


def _find(loader: griffe.GriffeLoader, name: str) -> griffe.Module | None:
    try:
        found = loader.modules_collection[name]
    except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None
    return found if isinstance(found, griffe.Module) else None


def _exports(module: griffe.Module, files: dict[str, str]) -> Iterator[tuple[str, griffe.Object]]:
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
