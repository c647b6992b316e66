"""The API reference: griffe reads the modules' source, one Markdown page describes each public module."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.documentation import loading
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
    loaded = loading.load(target, modules)
    failed = list(loaded.not_analysed)
    pages: list[Page] = []
    reached: set[str] = set()
    files = {module.name: module.file for module in modules}
    public = {module.name for module in modules if module.public}
    for module in modules:
        if not module.public:
            continue
        found = loaded.find(module.name)
        if found is None:
            if module.name.split(".")[0] in loaded.tops:
                reason = "no page: griffe does not find the module under its package"
                failed.append(NotAnalysed(subject=module.file, reason=reason))
            continue
        exports = tuple(loading.exports(found, files))
        reached |= {export.module.path for _, export in exports} - public
        pages.append(Page(module=found, exports=exports, files=files))
    return Reference(pages=tuple(pages), reached=frozenset(reached), not_analysed=tuple(failed))
