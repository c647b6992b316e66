"""The report over a workflow: `report.html`, one file that opens offline, `report.md` and `report.json`."""

from pathlib import Path

from clones.engines.contract import OutputFile
from clones.engines.report.model import AuditEntry, Network, ReportInput, Section

__all__ = ["AuditEntry", "Network", "ReportInput", "Section", "render"]


def render(report: ReportInput, out: Path) -> tuple[OutputFile, ...]:
    """Write `report.html`, `report.md` with the same facts, and `report.json` with their statements into the directory `out`.

    Numbers are those of the sections' data. Pictures are embedded from `Section.files`; one that is missing or too
    large is named instead. A section whose data have an unknown shape says so and spoils nothing else.
    """
    # Imported here: who only fills a ReportInput needs no template engine.
    from clones.engines.report import pages, statements, view

    built = view.build(report)
    contents = {
        "report.html": pages.html(built),
        "report.md": pages.markdown_page(built),
        "report.json": statements.page(built),
    }
    for name, content in contents.items():
        (out / name).write_text(content, encoding="utf-8")
    return (
        OutputFile(name="report.html", media_type="text/html"),
        OutputFile(name="report.md", media_type="text/markdown"),
        OutputFile(name="report.json", media_type="application/json"),
    )
