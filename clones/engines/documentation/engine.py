"""The `documentation` engine: API pages, an index, coverage, and the list of what has no docstring."""

import io
import tarfile
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import markdown
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.documentation import coverage, reference, sources
from clones.engines.documentation.pages import Page
from clones.params import DocumentationParams

MAX_PAGES = 200
"""With more modules the single pages travel as one archive, `api.tar.gz`."""
MAX_LISTED = 1000
"""Undocumented objects in the data; `documentation.json` has all of them."""
MAX_CHECKED = 100
"""Of those, the ones with a command of their own; `command` shows all."""


def analyse(target: Path, params: DocumentationParams, out: Path, progress: Progress) -> EngineOutput:
    """Describe the API of `target` and measure its documentation, reading source text only.

    `data`: `coverage` {documented, total, percent or None}, `modules` and `undocumented` (each with file and line; at
    most `MAX_LISTED`, `undocumented_total` counts all; the first have a `check`), `pages`, `command`, the interrogate
    run that prints the same total, and that total as `statements`. Files: `api.md` (everything on one page),
    `api/index.md` with `api/<module>.md` or `api.tar.gz`, and `documentation.json`.
    """
    progress(0.0, "finding packages")
    found = sources.find(target)
    progress(0.2, f"reading {len(found.modules)} modules")
    api = reference.build(target, found.modules)
    progress(0.5, "measuring documentation coverage")
    counted = [module for module in found.modules if module.public or module.name in api.reached]
    covered = coverage.measure(target, counted)
    progress(0.7, f"writing {len(api.pages)} pages")
    files = _write_pages(api.pages, out)
    private = [
        NotAnalysed(subject=module.file, reason="a private module that no public one re-exports: not part of the API")
        for module in found.modules
        if not module.public and module.name not in api.reached
    ]
    data: dict[str, Any] = {
        "coverage": {"documented": covered.documented, "total": covered.total, "percent": covered.percent},
        "modules": list(msgspec.to_builtins(covered.modules)),
        "undocumented": list(msgspec.to_builtins(covered.undocumented)),
        "undocumented_total": len(covered.undocumented),
        "pages": len(api.pages),
        "command": coverage.command(target, [each.file for each in covered.modules]) if covered.modules else [],
    }
    if covered.total:
        data["statements"] = [coverage.stated(covered, data["command"]).plain()]
    (out / "documentation.json").write_bytes(msgspec.json.format(msgspec.json.encode(data)))
    data["undocumented"] = [
        {**row, "check": coverage.stated_missing(each).plain()} if place < MAX_CHECKED else row
        for place, (row, each) in enumerate(zip(data["undocumented"], covered.undocumented, strict=True))
    ][:MAX_LISTED]
    progress(1.0, "done")
    return EngineOutput(
        summary=_summary(covered, len(api.pages)),
        data=data,
        files=(*files, OutputFile(name="documentation.json", media_type="application/json")),
        not_analysed=(*found.not_analysed, *private, *api.not_analysed, *covered.not_analysed),
    )


def _summary(covered: coverage.Coverage, pages: int) -> str:
    if not covered.total:
        return "No public Python module found: nothing to document."
    return (
        f"{covered.documented} of {covered.total} public objects documented ({covered.percent}%), "
        f"{len(covered.undocumented)} without a docstring; API reference of {pages} modules."
    )


def _write_pages(pages: tuple[Page, ...], out: Path) -> list[OutputFile]:
    """Write the combined page, and the single ones as files or, if many, as an archive."""
    names = frozenset(page.name for page in pages)
    single = {"index.md": _index(pages)} | {f"{page.name}.md": page.render("../", names) for page in pages}
    (out / "api.md").write_text("\n---\n\n".join(page.render("", names) for page in pages), encoding="utf-8")
    files = [OutputFile(name="api.md", media_type="text/markdown")]
    if len(pages) > MAX_PAGES:
        with tarfile.open(out / "api.tar.gz", "w:gz") as archive:
            for name, content in single.items():
                entry = tarfile.TarInfo(f"api/{name}")
                entry.size = len(encoded := content.encode())
                archive.addfile(entry, io.BytesIO(encoded))
        return [*files, OutputFile(name="api.tar.gz", media_type="application/gzip")]
    (out / "api").mkdir()
    for name, content in single.items():
        (out / "api" / name).write_text(content, encoding="utf-8")
    return [*files, *(OutputFile(name=f"api/{name}", media_type="text/markdown") for name in single)]


def _index(pages: tuple[Page, ...]) -> str:
    rows = [f"| [{markdown.line(page.name)}]({page.name}.md) | {page.summary()} |" for page in pages]
    head = ["# API reference", "", "Links to source lines hold when this directory lies in the project's root.", ""]
    return "\n".join([*head, "| module | |", "| --- | --- |", *rows, ""])
