"""Takes statements of a report at random and runs the commands that it names for them."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 5
SAMPLED = 20
WITHIN_S = 180.0
_OWN_PYTHON = ("triage",)
"""The steps whose report says that the checks want the project's own Python."""


@dataclass(frozen=True)
class Checked:
    """One statement and what its command printed."""

    section: str
    text: str
    command: str
    expected: str
    printed: str

    @property
    def holds(self) -> bool:
        return self.expected.rstrip() == self.printed.rstrip()


def sample(statements: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the statements that are looked at: the same ones of the same report."""
    chosen = random.Random(SEED).sample(  # noqa: S311  nothing secret is drawn
        range(len(statements)), min(SAMPLED, len(statements))
    )
    return [statements[at] for at in sorted(chosen)]


@dataclass(frozen=True)
class Bench:
    """What the commands of one report are run with."""

    target: Path
    files: Path
    """Where the run's files were written to."""
    scratch: Path
    """Where the target is copied to."""
    programs: Path
    """Where the project's own Python is."""
    steps: Mapping[str, str]
    """The steps' names by their tasks' ids."""


def check(statements: Iterable[Mapping[str, Any]], bench: Bench) -> list[Checked]:
    """Run the statements' commands in a copy of the target."""
    copy = bench.scratch / bench.target.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(bench.target, copy, symlinks=True)
    return [_check(each, copy, bench) for each in statements]


def _check(statement: Mapping[str, Any], copy: Path, bench: Bench) -> Checked:
    needed = statement.get("needs_file")
    if needed:
        found = next(iter(sorted(bench.files.rglob(needed))), None)
        if found is not None:
            shutil.copy2(found, copy / needed)
    own = [str(Path(sys.executable).parent)]
    first = [str(bench.programs), *own] if bench.steps.get(statement["task_id"]) in _OWN_PYTHON else own
    env = {"PATH": os.pathsep.join([*first, os.environ["PATH"]]), "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["sh", "-c", statement["how_to_check"]],
            cwd=copy,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WITHIN_S,
            check=False,
        )
        printed = done.stdout.decode(errors="replace")
        if not printed.strip() and done.stderr:
            printed = f"(on standard error) {done.stderr.decode(errors='replace')[-500:]}"
    except subprocess.TimeoutExpired:
        printed = f"(nothing within {WITHIN_S:g} s)"
    if needed:
        (copy / needed).unlink(missing_ok=True)
    return Checked(
        section=statement["section"],
        text=statement["text"],
        command=statement["how_to_check"],
        expected=statement["expected"],
        printed=printed,
    )
