"""The `documentation` engine: API pages, an index, coverage, and the list of what has no docstring."""

import io
import tarfile
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import markdown
from clones.engines.architecture import tree
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.documentation import agreement, coverage, reference, sources
from clones.engines.documentation.docs.examine import Examined, examine
from clones.engines.documentation.docs.finding import Finding
from clones.engines.documentation.examples import look, steps
from clones.engines.documentation.examples.told import Told, tell
from clones.engines.documentation.pages import Page
from clones.engines.statements import Lines, Statement
from clones.params import DocumentationParams

MAX_PAGES = 200
"""With more modules the single pages travel as one archive, `api.tar.gz`."""
MAX_LISTED = 1000
"""Undocumented objects in the data; `documentation.json` has all of them."""
MAX_FINDINGS = 200
"""Of documents, and of docstrings, in the data; `documentation.json` has all of them."""
MAX_CHECKED = 100
"""Of those, the ones with a command of their own; `command` shows all."""
_FINDING_SHARE = 0.25
"""Of the time that is left for examples, to find them."""


def analyse(target: Path, params: DocumentationParams, out: Path, progress: Progress) -> EngineOutput:
    """Describe the API of `target` and measure its documentation, reading source text only unless `run_examples` is set.

    `data`: `coverage` {documented, total, percent or None}, `modules` and `undocumented` (each with file and line; at
    most `MAX_LISTED`, `undocumented_total` counts all; the first have a `check`), `pages`, `command`, the interrogate
    run that prints the same total, and that total as `statements`; `documents` {documents, links, blocks, total, findings}
    and `docstrings` {total, findings}, each finding {rule, file, line, message, check}; with `run_examples` those of the
    examples among them, and `examples` {documents, blocks, ran, failed, differs, not_run, complete, outcomes, environment}, each
    outcome {file, line, outcome, reason, at}. Files: `api.md` (everything on one
    page), `api/index.md` with `api/<module>.md` or `api.tar.gz`, and `documentation.json`.
    """
    begin = time.monotonic()
    progress(0.0, "finding packages")
    found = sources.find(target)
    progress(0.2, f"reading {len(found.modules)} modules")
    api = reference.build(target, found.modules)
    progress(0.5, "measuring documentation coverage")
    counted = [module for module in found.modules if module.public or module.name in api.reached]
    covered = coverage.measure(target, counted)
    progress(0.6, "comparing docstrings with their functions")
    lines = Lines(target)
    differing = tuple(agreement.disagreements(counted, lines))
    progress(0.7, "checking the documents")
    examined = examine(target, tree.walk(target).files, lines, found)
    ran = None
    if params.run_examples:
        ran = _run_examples(target, found, examined, lines, progress, deadline=begin + params.budget_s)
    told = ran.findings if ran is not None else ()
    in_code = frozenset(module.file for module in found.modules)
    progress(0.9, f"writing {len(api.pages)} pages")
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
        "documents": {
            "documents": len(examined.read),
            "links": examined.links,
            "blocks": examined.blocks,
            **_stated(examined.findings, [each for each in told if each[0].file not in in_code], lines),
        },
        "docstrings": _stated(differing, [each for each in told if each[0].file in in_code], lines),
    }
    if ran is not None:
        data["examples"] = ran.data
    if covered.total:
        data["statements"] = [coverage.stated(covered, data["command"]).plain()]
    (out / "documentation.json").write_bytes(msgspec.json.format(msgspec.json.encode(data)))
    data["undocumented"] = [
        {**row, "check": coverage.stated_missing(each).plain()} if place < MAX_CHECKED else row
        for place, (row, each) in enumerate(zip(data["undocumented"], covered.undocumented, strict=True))
    ][:MAX_LISTED]
    for each in ("documents", "docstrings"):
        data[each]["findings"] = data[each]["findings"][:MAX_FINDINGS]
    if ran is not None:
        data["examples"] = {**ran.data, "outcomes": ran.data["outcomes"][:MAX_LISTED]}
    progress(1.0, "done")
    summary = _summary(covered, len(api.pages), examined, differing)
    return EngineOutput(
        summary=f"{summary} {ran.summary}" if ran is not None else summary,
        data=data,
        files=(*files, OutputFile(name="documentation.json", media_type="application/json")),
        not_analysed=(
            *(ran.notes if ran is not None else ()),
            *found.not_analysed,
            *private,
            *api.not_analysed,
            *covered.not_analysed,
            *examined.left_out,
        ),
    )


def _run_examples(
    target: Path, found: sources.Sources, examined: Examined, lines: Lines, progress: Progress, *, deadline: float
) -> Told:
    begin = time.monotonic()
    of_documents = (steps.of_document(file, read, lines.of(file)) for file, read in examined.read.items())
    of_modules = (steps.of_module(module, lines) for module in found.modules)
    documents: list[steps.Document] = []
    is_late = False
    for each in chain(of_documents, of_modules):
        if each is None:
            continue
        is_late = time.monotonic() > begin + (deadline - begin) * _FINDING_SHARE
        if is_late:
            break
        documents.append(each)
    own = frozenset(module.name for module in found.modules) | frozenset(found.roots)
    looked = look(target, documents, own, lines, progress, deadline=deadline)
    if is_late:
        reason = "there was no time to find those of all documents; allow more time"
        late = NotAnalysed(subject="examples", reason=reason)
        looked = msgspec.structs.replace(looked, complete=False, left_out=(*looked.left_out, late))
    return tell(looked, lines)


def _stated(read: Sequence[Finding], ran: Sequence[tuple[Finding, Statement | None]], lines: Lines) -> dict[str, Any]:
    """Return findings as statements: where nothing else shows one, the command shows the line that is meant."""
    told = []
    findings: list[tuple[Finding, Statement | None]] = [*((each, None) for each in read), *ran]
    for each, statement in sorted(findings, key=lambda pair: pair[0]) if ran else findings:
        check = _line_of(each, lines) if statement is None else statement
        told.append({**msgspec.to_builtins(each), "check": check.plain()})
    return {"total": len(told), "findings": told}


def _line_of(finding: Finding, lines: Lines) -> Statement:
    command, expected = lines.shown([(finding.file, finding.line)])
    text = f"{finding.file}:{finding.line}: {finding.message}"
    return Statement(text=text, how_to_check=command, expected=expected.rstrip())


def _summary(covered: coverage.Coverage, pages: int, examined: Examined, differing: Sequence[Finding]) -> str:
    told = []
    if covered.total:
        told.append(
            f"{covered.documented} of {covered.total} public objects documented ({covered.percent}%), "
            f"{len(covered.undocumented)} without a docstring; API reference of {_count(pages, 'module')}."
        )
    else:
        told.append("No public Python module found: nothing to document.")
    if differing:
        docstrings = "docstring says" if len(differing) == 1 else "docstrings say"
        told.append(f"{len(differing)} {docstrings} something else than the code.")
    if examined.findings:
        places = "place does" if len(examined.findings) == 1 else "places do"
        told.append(f"{len(examined.findings)} {places} not hold in {_count(len(examined.read), 'document')}.")
    return " ".join(told)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
