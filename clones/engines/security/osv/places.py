"""Where in a file a name stands: looked up once for all of its names, for a file may hold very many."""

import re
from collections.abc import Mapping

_TEXT = re.compile(r"""(?P<quote>["'])(?P<text>(?:\\.|(?!(?P=quote))[^\\])*)(?P=quote)""")
_KEY = re.compile(r"\s*(?P<text>[A-Za-z0-9_.-]+)\s*=")


def first_lines(text: str) -> Mapping[str, int]:
    """Return, of each text in quotes and each key of TOML that a line begins with, the first line that has it."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if key := _KEY.match(line):
            found.setdefault(key["text"], number)
        for quoted in _TEXT.finditer(line):
            found.setdefault(quoted["text"], number)
    return found
