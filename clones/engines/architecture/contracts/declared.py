"""Reads what a target declares for import-linter. Nothing of the target is imported: its own contract types are only named."""

import re
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import target_files
from clones.engines.statements import Lines

_SECTION = "importlinter"
_INI_FILES = ("setup.cfg", ".importlinter")
_MAX_CONTRACTS = 200


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One contract as it is written."""

    name: str
    kind: str
    """`layers`, `forbidden`, `independence`, or another of import-linter or of the target's own."""
    line: int
    """Where it is declared, from 1; 0 where the place is not known."""
    options: Mapping[str, tuple[str, ...]]

    def flag(self, option: str, *, default: bool) -> bool:
        """Return a yes-or-no option."""
        return is_yes(self.options.get(option), default=default)


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What one file declares."""

    file: str
    leaves_typing_out: bool
    """Whether imports under `if TYPE_CHECKING` do not count."""
    contracts: tuple[Contract, ...]


def read(target: Path, lines: Lines) -> Declaration | None:
    """Return the declaration that import-linter would use: the first of its three files that has one."""
    for file in _INI_FILES:
        if (found := _of_ini(file, target_files.ini(target, file), lines)) is not None:
            return found
    return _of_toml("pyproject.toml", target_files.toml(target, "pyproject.toml"), lines)


def is_yes(value: Sequence[str] | None, *, default: bool) -> bool:
    """Return what an option says."""
    return default if not value else value[0].strip().lower() == "true"


def _of_ini(file: str, config: ConfigParser, lines: Lines) -> Declaration | None:
    if not config.has_section(_SECTION):
        return None
    sections = [name for name in config.sections() if name.startswith(f"{_SECTION}:")]
    top = dict(config[_SECTION])
    return Declaration(
        file=file,
        leaves_typing_out=is_yes((top.get("exclude_type_checking_imports", ""),), default=False),
        contracts=tuple(
            _contract(
                {option: value.strip().split("\n") for option, value in config[name].items()},
                name.rpartition(":")[2],
                _line(lines.of(file), f"[{name}]"),
            )
            for name in sections[:_MAX_CONTRACTS]
        ),
    )


def _of_toml(file: str, settings: Mapping[str, Any], lines: Lines) -> Declaration | None:
    tool = settings.get("tool")
    linter = tool.get(_SECTION) if isinstance(tool, dict) else None
    if not isinstance(linter, dict) or not linter:
        return None
    contracts = linter.get("contracts")
    rows = [row for row in contracts if isinstance(row, dict)] if isinstance(contracts, list) else []
    return Declaration(
        file=file,
        leaves_typing_out=linter.get("exclude_type_checking_imports") in {True, "true", "True"},
        contracts=tuple(
            _contract(
                {str(option): value if isinstance(value, list) else [value] for option, value in row.items()},
                str(row.get("id", "")),
                _line(lines.of(file), str(row.get("name", "")), after=re.compile(r"\s*name\s*=")),
            )
            for row in rows[:_MAX_CONTRACTS]
        ),
    )


def _contract(options: Mapping[str, list[Any]], identifier: str, line: int) -> Contract:
    texts = {
        option: tuple(text for value in values if (text := str(value).strip())) for option, values in options.items()
    }
    first = {option: values[0] for option, values in texts.items() if values}
    return Contract(name=first.get("name", identifier), kind=first.get("type", ""), line=line, options=texts)


def _line(lines: Sequence[str], text: str, after: re.Pattern[str] = re.compile("")) -> int:
    """Return the first line that holds `text`, behind what `after` matches where there is such a one; 0 without."""
    found = [(after.match(line) is None, number) for number, line in enumerate(lines, 1) if text and text in line]
    return min(found, default=(True, 0))[1]
