"""Runs the commands beside an engine's statements, as a reader would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from clones.engines.report.checks import anywhere


def wrong(data: Any, target: Path, out: Path) -> list[str]:
    """Return the statements of `data` whose command prints anything but what they say; files they need are put there."""
    tools = Path(sys.executable).parent
    # the report's reader has the engine's own interpreter as `python3`
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    told = []
    for check in dict.fromkeys(anywhere(data)):
        if check.needs_file:
            shutil.copy(out / check.needs_file, target / check.needs_file)
        argv = ["sh", "-c", check.how_to_check]
        done = subprocess.run(argv, cwd=target, env=env, capture_output=True, text=True, check=False, errors="replace")
        if done.stdout.rstrip("\n") != check.expected:
            told.append(f"{check.text}: {check.how_to_check} printed {done.stdout!r} {done.stderr!r}")
        if check.needs_file:
            (target / check.needs_file).unlink()
    return told
