"""How the project is installed, run and tested, by its own account: its metadata, its makefile, and what its documents type."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from clones.engines.statements import Lines, Statement, quoted

MAX_LISTED = 30
_MAX_COMMAND_CHARS = 160
Kind = Literal["install", "test", "run"]
_KINDS: tuple[Kind, ...] = ("install", "test", "run")

_DECLARED: tuple[tuple[str, Kind, re.Pattern[str], str], ...] = (
    ("pyproject.toml", "install", re.compile(r"requires-python\s*="), "it needs this Python"),
    ("pyproject.toml", "install", re.compile(r"build-backend\s*="), "`pip install .` builds it by this"),
    ("setup.cfg", "install", re.compile(r"python_requires\s*="), "it needs this Python"),
    ("setup.py", "install", re.compile(r"\s*python_requires\s*="), "it needs this Python"),
    (
        "pyproject.toml",
        "test",
        re.compile(r"\[tool\.pytest(\.ini_options)?\]"),
        "pytest runs its tests, with what stands here",
    ),
    ("setup.cfg", "test", re.compile(r"\[tool:pytest\]"), "pytest runs its tests, with what stands here"),
    ("pytest.ini", "test", re.compile(r"\[pytest\]"), "pytest runs its tests, with what stands here"),
    ("tox.ini", "test", re.compile(r"\[testenv\]"), "`tox` runs its tests, with what stands here"),
    ("pyproject.toml", "test", re.compile(r"\[tool\.tox\b"), "`tox` runs its tests, with what stands here"),
)
"""What a line of these files declares: the file, what it is about, what the line begins with, and in words."""
_LOCKS = {
    "uv.lock": "uv sync",
    "poetry.lock": "poetry install",
    "pdm.lock": "pdm install",
    "Pipfile.lock": "pipenv sync",
}
_PACKAGE = "[[package]]"
_MAKE = re.compile(r"(?P<target>install|setup|develop|dev|test|tests|check|run|serve|start)\s*:(?!=)")
_DOCUMENT = re.compile(
    r"(?:readme|contributing|install|installation|installing|development|developing|hacking|testing|quickstart)\b[^/]*"
    r"\.(?:md|rst|txt)",
    re.IGNORECASE,
)
_TYPED = re.compile(
    r"(?:(?:python3?|py) -m )?"
    r"(?:pip3?|pipx|uv|poetry|pdm|hatch|pipenv|conda|pytest|tox|nox|make|docker|unittest)(?: [-\w./\[\]'\"=<>~:,{}$@+]+)+"
)
_PROMPT = re.compile(r"\A\s*(?:[$>%#] )?\s*")
_SENTENCE = re.compile(r".*\w[.,:;]\Z")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the project says of its own handling."""

    kind: Kind
    file: str
    line: int
    statement: Statement

    def data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"kind": self.kind, "file": self.file, "line": self.line, **self.statement.plain()}


def find(files: Sequence[str], lines: Lines) -> list[Told]:
    """Return what is said of installing, then of testing, then of running; each command once, where it stands first."""
    found = [*_declared(files, lines), *_of_make(files, lines), *_of_documents(files, lines)]
    return sorted(found, key=lambda told: _KINDS.index(told.kind))[:MAX_LISTED]


def _declared(files: Sequence[str], lines: Lines) -> Iterator[Told]:
    held = {file for file in files if "/" not in file}
    for file, kind, begins, words in _DECLARED:
        if file in held and (at := _first(lines.of(file), begins)) is not None:
            line = lines.at(file, at).strip().replace("`", "")
            yield _told(kind, file, at, f"{words}: `{line}` ({file}:{at})", lines)
    for file, command in _LOCKS.items():
        pinned = lines.of(file).count(_PACKAGE) if file in held else 0
        if pinned:
            text = f"`{command}` installs what {file} pins: {pinned} package{'' if pinned == 1 else 's'}"
            check = f"grep -cFx {shlex.quote(_PACKAGE)} {quoted(file)}"
            yield Told(
                kind="install",
                file=file,
                line=1,
                statement=Statement(text=text, how_to_check=check, expected=str(pinned)),
            )


def _of_make(files: Sequence[str], lines: Lines) -> Iterator[Told]:
    for file in ("Makefile", "makefile", "GNUmakefile"):
        for number, line in enumerate(lines.of(file) if file in files else (), 1):
            if match := _MAKE.match(line):
                command = f"make {match['target']}"
                yield _told(_kind(command), file, number, f"{file} has `{command}`", lines)


def _of_documents(files: Sequence[str], lines: Lines) -> Iterator[Told]:
    seen: set[str] = set()
    meant = [file for file in files if _DOCUMENT.fullmatch(file.rpartition("/")[2]) and file.count("/") <= 1]
    for file in sorted(meant, key=lambda file: (file.count("/"), not file.lower().startswith("readme"), file)):
        for number, line in _as_code(lines.of(file)):
            command = _PROMPT.sub("", line, count=1).rstrip()
            if command not in seen and _is_typed(command):
                seen.add(command)
                shown = command.replace("`", "")
                yield _told(_kind(command), file, number, f"{file} types `{shown}` (line {number})", lines)


def _as_code(text: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines, numbered from 1, that a document sets apart: by a fence, an indent or a prompt."""
    fenced = False
    for number, line in enumerate(text, 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif fenced or line.startswith(("   ", "\t", "$ ")):
            yield number, line


def _is_typed(command: str) -> bool:
    return len(command) <= _MAX_COMMAND_CHARS and bool(_TYPED.fullmatch(command)) and not _SENTENCE.match(command)


def _kind(command: str) -> Kind:
    words = set(re.findall(r"\w+", command))
    if words & {"install", "sync", "setup", "develop", "dev", "add"}:
        return "install"
    return "test" if words & {"test", "tests", "check", "pytest", "tox", "nox", "unittest"} else "run"


def _first(text: Sequence[str], begins: re.Pattern[str]) -> int | None:
    return next((number for number, line in enumerate(text, 1) if begins.match(line)), None)


def _told(kind: Kind, file: str, line: int, text: str, lines: Lines) -> Told:
    command, expected = lines.shown([(file, line)])
    return Told(
        kind=kind,
        file=file,
        line=line,
        statement=Statement(text=text, how_to_check=command, expected=expected.rstrip()),
    )
