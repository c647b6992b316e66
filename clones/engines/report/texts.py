"""Text files of the engines, shown as they are."""

from collections.abc import Mapping
from pathlib import Path

from clones.engines.report.blocks import MAX_TEXT_CHARS
from clones.engines.report.wording import cut


def text(files: Mapping[str, Path | None], name: str) -> str:
    """Return the file `name`, cut where it is long; empty where it is not at hand."""
    path = files.get(name)
    if path is None:
        return ""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return cut(file.read(MAX_TEXT_CHARS + 1), MAX_TEXT_CHARS)
    except OSError:
        return ""
