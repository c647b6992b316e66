"""Lines of what lizard does not read: markup, styles, queries, shell, configuration, data."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import lizard
import msgspec

_LANGUAGES: Mapping[str, str] = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), "HTML"),
    **dict.fromkeys((".css", ".scss", ".sass", ".less"), "CSS"),
    **dict.fromkeys((".md", ".markdown"), "Markdown"),
    **dict.fromkeys((".sh", ".bash", ".zsh"), "Shell"),
    **dict.fromkeys((".yaml", ".yml"), "YAML"),
    **dict.fromkeys((".j2", ".jinja", ".jinja2"), "Jinja"),
    **dict.fromkeys((".tf", ".hcl"), "HCL"),
    ".rst": "reStructuredText",
    ".toml": "TOML",
    ".json": "JSON",
    ".xml": "XML",
    ".svg": "SVG",
    ".po": "gettext",
    ".proto": "Protocol Buffers",
    ".graphql": "GraphQL",
    ".ps1": "PowerShell",
    ".tex": "TeX",
    ".ipynb": "Jupyter",
}
_NAMES = {"Makefile": "Make", "Dockerfile": "Dockerfile", "Containerfile": "Dockerfile", "Jenkinsfile": "Groovy"}


class PlainSize(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one language that has lines, but no functions that could be measured here."""

    language: str
    files: int
    lines: int
    """Those that are not blank."""


def measure(target: Path, files: Sequence[str], is_over: Callable[[], bool]) -> list[PlainSize]:
    """Count the lines by language, the largest first, until `is_over`."""
    counts: dict[str, tuple[int, int]] = {}
    for file in files:
        path = PurePosixPath(file)
        language = _LANGUAGES.get(path.suffix.lower()) or _NAMES.get(path.name)
        if language is None or lizard.get_reader_for(file) is not None:
            continue
        if is_over():
            break
        try:
            content = (target / file).read_bytes()
        except OSError:
            continue
        lines = sum(not line.isspace() and line != b"" for line in content.split(b"\n"))
        before = counts.get(language, (0, 0))
        counts[language] = (before[0] + 1, before[1] + lines)
    rows = [PlainSize(language=name, files=count, lines=lines) for name, (count, lines) in counts.items()]
    return sorted(rows, key=lambda row: (-row.lines, row.language))
