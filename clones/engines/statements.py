"""Statements that a reader can check: each says what holds, a shell command for the target's directory, and what it prints."""

import io
import shlex
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import target_files

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Of a larger file no line is shown."""
MAX_SHOWN_CHARS = 160
"""What is shown of a line; the commands cut there too, so that what they print is what the statement says."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an engine says of its target."""

    text: str
    how_to_check: str
    """A command for `sh`, run in the target's directory; it changes nothing there, but for what code of the target that it runs does."""
    expected: str
    """What the command prints, without the last line end."""

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"text": self.text, "how_to_check": self.how_to_check, "expected": self.expected}


class Lines:
    """The lines of a target's files, read once each."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._files: dict[str, list[str]] = {}
        self._marked: set[str] = set()
        """Files that begin with a byte order mark, which is in no line here, but in what `sed` prints."""
        self._open: set[str] = set()
        """Files whose last line has no end; `sed` then prints none either."""

    def of(self, file: str) -> list[str]:
        """Return a file's lines without their ends, as `sed` counts them; none where it cannot be read."""
        if file not in self._files:
            read = target_files.content(self._target, file, MAX_FILE_BYTES) or b""
            encoding = ""
            try:
                encoding = tokenize.detect_encoding(io.BytesIO(read).readline)[0] if file.endswith(".py") else "utf-8"
                text = read.decode(encoding, "replace")
            except (SyntaxError, LookupError):
                text = ""
            if encoding == "utf-8-sig":
                self._marked.add(file)
            lines = text.split("\n")
            if lines[-1] != "":
                self._open.add(file)
            self._files[file] = lines[:-1] if lines[-1] == "" else lines
        return self._files[file]

    def at(self, file: str, line: int) -> str:
        """Return one line, counted from 1; empty beyond the file's end."""
        lines = self.of(file)
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def shown(self, places: Sequence[tuple[str, int]]) -> tuple[str, str]:
        """Return a command that prints the lines at `places` (file, line), and what it prints."""
        by_file: dict[str, list[int]] = {}
        for file, line in places:
            by_file.setdefault(file, []).append(line)
        wanted = {file: sorted(set(numbers)) for file, numbers in sorted(by_file.items())}
        commands = [self._printing(file, numbers) for file, numbers in wanted.items()]
        printed = [self.at(file, number) for file, numbers in wanted.items() for number in numbers]
        command = "; ".join(commands)
        plain = all(text.isascii() and text.isprintable() for text in printed)
        plain = plain and not any(file in self._marked and numbers[0] == 1 for file, numbers in wanted.items())
        if plain and max(map(len, printed)) <= MAX_SHOWN_CHARS:
            return command, "\n".join(printed)
        # cut counts bytes or characters as the locale has it; what is not ASCII is left out, so that both are the same
        command = f"({command}) | LC_ALL=C tr -cd '\\n -~' | cut -c1-{MAX_SHOWN_CHARS}"
        kept = ["".join(letter for letter in text if " " <= letter <= "~")[:MAX_SHOWN_CHARS] for text in printed]
        return command, "\n".join(kept)

    def _printing(self, file: str, numbers: Sequence[int]) -> str:
        if file in self._open and numbers[-1] == len(self._files[file]):  # awk ends a line that has no end
            return f"awk '{' || '.join(f'NR == {number}' for number in numbers)}' < {quoted(file)}"
        return f"sed -n '{';'.join(f'{number}p' for number in numbers)}' {quoted(file)}"


def quoted(file: str) -> str:
    """Return a path as a shell word that no tool takes for an option."""
    return shlex.quote(f"./{file}" if file.startswith("-") else file)


def complexity_command(file: str, line: int) -> str:
    """Return a command that prints the cyclomatic complexity, by lizard, of the function that begins at `line`."""
    return f"lizard {quoted(file)} | awk '$NF ~ /@{line}-/ {{print $2; exit}}'"


def commits_command(file: str) -> str:
    """Return a command that prints how many commits, merges aside, touch a file under its present name."""
    return f"git log --no-merges --no-renames --oneline -- {quoted(file)} | wc -l | tr -d ' '"
