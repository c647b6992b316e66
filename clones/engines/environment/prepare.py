"""Choose the environment of a target, or have it built."""

import platform
import re
import sys
import time
from pathlib import Path

import msgspec

from clones.engines.contract import Progress
from clones.engines.environment import cache, existing
from clones.engines.environment.build import build
from clones.engines.environment.declared import read_declared
from clones.engines.environment.interpreter import Environment, find_python, probed
from clones.engines.environment.layout import add_built_files

RETRY_S = 3600.0
"""An environment that lacks something is built anew after this time: the network may be back."""
MORE_TIME = 1.5
"""One for which the time was too short is built anew at once by whoever has so many times as long."""
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME_CHARS = 60


def prepare(target: Path, copy: Path, progress: Progress, *, deadline: float, network: bool = False) -> Environment:
    """Return an environment for `target`, of which `copy` is the copy that will be run.

    `deadline` is a time of `time.monotonic`; `network` is what the target's own build gets, its dependencies are fetched
    either way. What cannot be installed is named in the result and is no error. Files
    that only a build makes (compiled modules, a generated version file) are added to `copy`.

    Raises:
        EngineError: no suitable Python on this machine, or no virtual environment can be made.
    """
    declared = read_declared(copy)
    lacking = existing.what_is_lacking(target, declared)
    if not lacking:
        return probed(
            Environment(
                python=sys.executable,
                kind="sanctuary",
                python_version=platform.python_version(),
                declared_in=declared.declared_in,
                why="everything that the target declares is installed where Sanctuary runs",
                own=declared.name if declared.installable else None,
            )
        )
    python = find_python(declared.requires_python)
    facts = (python, repr(msgspec.to_builtins(declared)), "network" if network else "")
    # the name ends in scripts' first lines, where white space has a meaning
    name = _NOT_PLAIN.sub("_", declared.name or target.name or "target")[:_MAX_NAME_CHARS]
    directory = cache.environments_path() / f"{name}-{cache.key_of(copy, *facts)}"

    def waiting() -> None:
        progress(0.05, "waiting for the target's environment, which another engine is building")

    with cache.locked(directory, deadline=deadline, on_wait=waiting):
        environment = _ready(directory, deadline - time.monotonic())
        if environment is None:
            progress(0.05, f"building an environment for the target with Python {python}")
            why = "not installed where Sanctuary runs: " + ", ".join(lacking[:5]) + (" …" if len(lacking) > 5 else "")
            environment = build(
                directory,
                python=Path(python),
                target=target,
                copy=copy,
                declared=declared,
                why=why,
                progress=progress,
                deadline=deadline,
                network=network,
            )
        (directory / "used").touch()
    cache.remove_unused(directory.parent, now=time.time())
    add_built_files(environment, copy)
    return environment


def _ready(directory: Path, left_s: float) -> Environment | None:
    try:
        environment = msgspec.json.decode((directory / "environment.json").read_bytes(), type=Environment)
    except (OSError, msgspec.DecodeError):
        return None
    if environment.missing:
        is_old = time.time() - environment.built_at > RETRY_S
        if is_old or 0.0 < environment.cut_off_s * MORE_TIME < left_s:
            return None
    return environment if Path(environment.python).exists() else None
