"""Start a Python program of the target under the profiler, which `clones/engines/inside/sanctuary_profiler.py` is."""

import shutil
from pathlib import Path
from typing import Literal

from clones.engines.environment import Environment, run_env
from clones.engines.running.measured import INSIDE
from clones.engines.running.python_command import PythonCommand
from clones.engines.running.watched import Watched, run_watched

PROFILER = "sanctuary_profiler.py"
INTERVAL_S = 0.001
"""Between two samples: pyinstrument's default, which slows code down by about half."""

Measure = Literal["time", "memory"]


def run_profiler(
    measure: Measure, root: Path, program: PythonCommand, environment: Environment, *, place: Path, budget_s: float
) -> Watched:
    """Run `program` in `root` for at most `budget_s` seconds; what was measured is then in the directory `place`.

    Raises:
        EngineError: the environment's interpreter cannot be started.
    """
    inside = place / "inside"
    inside.mkdir()
    script = shutil.copy2(INSIDE / PROFILER, inside)
    record = place / "record.jsonl"
    how = "memory" if measure == "memory" else repr(INTERVAL_S)
    argv = [environment.python, *program.flags, str(script), str(place), how, *program.program]
    env = {**run_env(environment, root, place), "SANCTUARY_RECORD": str(record)}
    return run_watched(argv, cwd=root, env=env, record=record, budget_s=budget_s, on_event=lambda _: None)
