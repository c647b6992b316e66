"""No secret leaves the engine: not in a source line, not in a scanner's message.

What gitleaks found is taken out of every line of every file. Where a rule says that a text looks like a password, that
text is taken out of its lines, and where the scanner does not say which text it means, all texts on them are.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from clones.engines.security.reported import Reported
from clones.engines.security.rules import PASSWORD_RULES, shared_id

REDACTED = "[redacted]"
NO_TEXT = frozenset({"", "None", "True", "False"})
"""What bandit quotes as a password where the value is no text, or an empty one."""
_MIN_CHARS = 6
"""A shorter piece of a secret stands in too many lines that have nothing to do with it."""
_LITERAL = re.compile(r"""(?P<quote>\"\"\"|'''|"|')(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P<end>(?P=quote)|$)""")
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_PEM_EDGE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")


class Redactor:
    """Knows the secrets of one scan."""

    def __init__(self, results: Iterable[Reported], lines: dict[str, list[str]]) -> None:
        """Learn from all `results`, the suppressed ones too; `lines` are the files that they stand in."""
        pieces: set[str] = set()
        self._hidden: set[tuple[str, int]] = set()
        self._passwords: dict[tuple[str, int], list[Reported]] = defaultdict(list)
        for result in results:
            if result.secret:
                parts = [part for part in map(str.strip, result.secret.splitlines()) if not _PEM_EDGE.fullmatch(part)]
                pieces.update(part for part in parts if len(part) >= _MIN_CHARS)
                self._hide(result, parts, lines[result.path])
            elif shared_id(result.rule) in PASSWORD_RULES:
                self._passwords[result.path, result.line].append(result)
        self._pieces: dict[str, list[str]] = defaultdict(list)
        """By their beginnings, for there may be thousands."""
        for piece in pieces:
            self._pieces[piece[:_MIN_CHARS]].append(piece)

    def _hide(self, result: Reported, parts: list[str], lines: list[str]) -> None:
        """Hide whole lines where the secret is short, or stands there in another form than gitleaks tells it."""
        spanned = lines[result.line - 1 : result.end_line]
        shown = any(len(part) >= _MIN_CHARS and any(part in line for line in spanned) for part in parts)
        if not shown:
            self._hidden.update((result.path, number) for number in range(result.line, result.end_line + 1))

    def line(self, path: str, number: int, text: str) -> str:
        """Return a source line without secrets."""
        if (path, number) in self._hidden:
            return REDACTED
        if passwords := self._passwords.get((path, number)):
            text = _blank_passwords(text, passwords)
        return self.text(text)

    def message(self, result: Reported) -> str:
        """Return what a scanner says without secrets."""
        if result.engine == "bandit" and result.rule in PASSWORD_RULES and value_of(result) not in NO_TEXT:
            return _QUOTED.sub(REDACTED, result.message)
        return self.text(result.message)

    def text(self, text: str) -> str:
        """Return any text without what gitleaks found."""
        if not self._pieces:
            return text
        beginnings = self._pieces.keys() & {text[at : at + _MIN_CHARS] for at in range(len(text) - _MIN_CHARS + 1)}
        pieces = [piece for beginning in beginnings for piece in self._pieces[beginning]]
        for piece in sorted(pieces, key=lambda piece: (-len(piece), piece)):
            text = text.replace(piece, REDACTED)
        return text


def value_of(result: Reported) -> str | None:
    """Return the value that bandit, for a rule on passwords, quotes in its message."""
    quoted = _QUOTED.search(result.message) if result.engine == "bandit" else None
    return quoted[2] if quoted else None


def _blank_passwords(line: str, passwords: list[Reported]) -> str:
    texts = {literal["text"] for literal in _LITERAL.finditer(line)}
    values = {value_of(result) for result in passwords}
    if values <= texts | NO_TEXT:
        return _LITERAL.sub(lambda literal: _blank(literal) if literal["text"] in values else literal[0], line)
    # ruff tells the name that a text is given to, not the text, and bandit's value may be written with escapes
    named = [_QUOTED.search(result.message) for result in passwords if result.engine == "ruff"]
    names = {quoted[2] for quoted in named if quoted}

    def blank(literal: re.Match[str]) -> str:
        if literal["text"] not in names:
            return _blank(literal)
        names.remove(literal["text"])  # the password may be the same word
        return literal[0]

    return _LITERAL.sub(blank, line)


def _blank(literal: re.Match[str]) -> str:
    return f"{literal['quote']}{REDACTED}{literal['end']}" if literal["text"] else literal[0]
