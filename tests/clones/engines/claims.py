"""Statements of engines whose checks need Sanctuary's own tools on the path, or the project's Python."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clones.engines.checking import statements


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
