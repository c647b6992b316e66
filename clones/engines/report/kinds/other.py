"""A task type that the report knows nothing of: its summary, pictures, Markdown files and statements."""

from clones.engines.report import checks, wording
from clones.engines.report.blocks import Block, Content, Point, Text, picture, points
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.pictures import picture as embedded
from clones.engines.report.texts import text
from clones.engines.report.verdict import Tile


def content(section: Section) -> Content:
    """Return whatever can be shown of any task."""
    blocks: list[Block] = []
    for name in sorted(section.files):
        if name.endswith(".svg"):
            blocks += picture(embedded(section.files, name), "", f"Picture {name}")
        elif name.endswith(".md") and (said := text(section.files, name)):
            blocks.append(Text(title=name, text=said, name=name))
    stated = list(checks.anywhere(section.data))
    blocks += points(
        "Statements",
        [Point(text=check.text, check=check) for check in stated],
        limit=checks.MAX_OF_UNKNOWN,
        what="statements",
        full=full_data(section, ""),
    )
    tile = Tile(figure="done", label="", details=(wording.cut(section.summary, 200),), tone="plain")
    return Content(tile=tile, blocks=tuple(blocks))
