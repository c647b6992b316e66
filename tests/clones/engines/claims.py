"""Statements of engines, checked as their readers would: by running the command that stands beside each."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Yield everything in an engine's data that has a check."""
    if isinstance(value, Mapping):
        if "how_to_check" in value:
            yield dict(value)
        for inner in value.values():
            yield from statements(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from statements(inner)


def wrong(data: Mapping[str, Any], target: Path) -> list[str]:
    """Return the statements that do not hold in `target`, each with what its command printed instead."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    found = []
    for item in statements(data):
        argv = ["sh", "-c", item["how_to_check"]]
        env = {**os.environ, "PATH": path, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(argv, cwd=target, capture_output=True, text=True, check=False, env=env)
        if done.stdout.rstrip() != item["expected"].rstrip():
            found.append(f"{item['text']}\n  {item['how_to_check']}\n  {done.stdout!r} {done.stderr!r}")
    return found
