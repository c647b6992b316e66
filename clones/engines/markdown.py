r"""Text of an untrusted target as Markdown: what a reader sees is the text, never markup that it brought along.

Prose is escaped, so no HTML, link, image or table cell can come out of it (CommonMark 0.31, sections 2.4 and 6.1); code
stands in spans and fences that are longer than any run of backticks inside. Control and direction characters, which can
make a line read otherwise than it is compiled (CVE-2021-42574), are shown by their number.
"""

import re

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SPECIAL = re.compile(r"[\\`*\[\]<|~]|(?<![^\W_])_+|_+(?![^\W_])")
_LINE_START = re.compile(r"^(\s*)([#>+=-]|\d+[.)](?=\s|$))", re.MULTILINE)
_ENTITY = re.compile(r"&(?=#?\w+;)")
_AUTOLINK = re.compile(r"(?i)\b(https?|ftp)://|\bwww\.|(?<=\w)@(?=\w)")


def visible(value: str) -> str:
    """Return `value` with control, direction and zero-width characters as `⟨U+202E⟩`; tabs and line ends stay."""
    normal = value.replace("\r\n", "\n")
    return _INVISIBLE.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", normal)


def text(value: str) -> str:
    """Return `value` escaped as Markdown prose, lines kept."""
    escaped = _ENTITY.sub("&amp;", visible(value))
    escaped = _SPECIAL.sub(_escaped, escaped)
    escaped = _LINE_START.sub(lambda match: f"{match[1]}{match[2][:-1]}\\{match[2][-1]}", escaped)
    # GitHub makes links of bare addresses and names: an entity for the first character keeps them plain text.
    return _AUTOLINK.sub(lambda match: f"&#{ord(match[0][0])};{match[0][1:]}", escaped)


def line(value: str) -> str:
    """Return `value` escaped as one line of prose, fit for a heading, a list item or a table cell."""
    return text(" ".join(value.split()))


def code(value: str) -> str:
    """Return `value` as one code span, fit for prose but not for a table cell (see `cell_code`)."""
    plain = " ".join(visible(value).split())
    if not plain:
        return ""
    ticks = "`" * (_longest_run(plain) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def cell_code(value: str) -> str:
    """Return `value` as a code span for a table cell, where GitHub's tables want pipes escaped even in code."""
    return code(value).replace("|", "\\|")


def fence(value: str, language: str = "") -> str:
    """Return `value` as a fenced block; `language` is a constant of ours."""
    plain = visible(value).strip("\n")
    ticks = "`" * max(3, _longest_run(plain) + 1)
    return f"{ticks}{language}\n{plain}\n{ticks}"


def _longest_run(value: str) -> int:
    return max((len(run) for run in re.findall("`+", value)), default=0)


def _escaped(match: re.Match[str]) -> str:
    return "&lt;" if match[0] == "<" else "".join(f"\\{character}" for character in match[0])
