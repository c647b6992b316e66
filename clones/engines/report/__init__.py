"""The report over a review: `report.html`, one file that opens offline, and `report.md` with the same facts."""

from pathlib import Path

from clones.engines.contract import OutputFile
from clones.engines.report.model import AuditEntry, Network, ReportInput, Section

__all__ = ["AuditEntry", "Network", "ReportInput", "Section", "render"]


def render(report: ReportInput, out: Path) -> tuple[OutputFile, ...]:
    """Write `report.html` and `report.md` into the directory `out`.

    Numbers are those of the sections' data. Pictures are embedded from `Section.files`; one that is missing or too
    large is named instead. A section whose data have an unknown shape says so and spoils nothing else.
    """
    # Imported here: who only fills a ReportInput needs no template engine.
    from clones.engines.report import pages, view

    built = view.build(report)
    for name, content in (("report.html", pages.html(built)), ("report.md", pages.markdown_page(built))):
        (out / name).write_text(content, encoding="utf-8")
    return (
        OutputFile(name="report.html", media_type="text/html"),
        OutputFile(name="report.md", media_type="text/markdown"),
    )
