"""Files that several processes append lines to, read while they write."""

from pathlib import Path


def whole_lines(journal: Path) -> list[str]:
    """Return the lines, oldest first, without the one that is on its way; none where there is no file yet."""
    text = journal.read_bytes() if journal.exists() else b""
    return text[: text.rfind(b"\n") + 1].decode().splitlines()
