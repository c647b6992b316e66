"""What is wrong with a definition, and with an input."""

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Where something stands in a definition, such as `("steps", "scan", "needs", 0)`."""


def dotted(path: Path) -> str:
    """Return a path as a person reads it: `steps.scan.needs[0]`."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return words.removeprefix(".")


def placed(message: str) -> tuple[Path, str]:
    """Return what msgspec says of a value, taken apart: the place within the value, and the words."""
    told = re.fullmatch(r"(.*?)(?: - at `\$([^`]*)`(.*))?", message, re.DOTALL)
    words, place, more = (told[1], told[2] or "", told[3] or "") if told else (message, "", "")
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", place)
    return tuple(int(index) if index else field for field, index in steps), f"{words[:1].lower()}{words[1:]}{more}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return which known name is near, to follow the unknown one; empty: none is."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


class Problem(NamedTuple):
    """One thing that keeps a definition from being used."""

    path: Path
    """Empty: the whole of it."""
    message: str
    """What is wrong, and what to do."""
    line: int | None = None
    """In the file that the definition was read from, from 1; None: it was not read from one."""

    def __str__(self) -> str:
        place = dotted(self.path)
        where = ", ".join(words for words in (f"line {self.line}" if self.line else "", place) if words)
        return f"{where}: {self.message}" if where else self.message


class InvalidWorkflow(Exception):
    """A definition cannot be used."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class InvalidInput(Exception):
    """An input does not fit the workflow; `message` says what and where."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
