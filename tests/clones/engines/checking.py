"""Every statement of an engine is checked by the command that stands beside it, in a shell, as its reader would."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A command that does not print what is expected."""

    how_to_check: str
    expected: str
    printed: str


def statements(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield everything below `value` that says how it is checked."""
    match value:
        case dict():
            if "how_to_check" in value:
                yield value
            for item in value.values():
                yield from statements(item)
        case list():
            for item in value:
                yield from statements(item)


def failed(target: Path, data: Any) -> list[Failed]:
    """Run every check of an engine's data in `target`; returns those that do not hold."""
    found = []
    for statement in statements(data):
        command = ["sh", "-c", statement["how_to_check"]]
        done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False, timeout=300)
        if done.stdout.rstrip() != statement["expected"]:
            printed = f"{done.stdout}{done.stderr}"
            found.append(
                Failed(how_to_check=statement["how_to_check"], expected=statement["expected"], printed=printed)
            )
    return found
