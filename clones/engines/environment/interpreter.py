"""Interpreters: which one serves a target, and what is installed in it."""

import contextlib
import importlib.metadata
import json
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.environment import existing
from clones.engines.environment.pip import NotInstalled
from clones.engines.running import offline

TOOLS = ("pytest", "coverage", "pyinstrument")
"""What the engines need beside the target's own; never with a version, so that the target's constraints decide."""

_TIMEOUT_S = 60.0
_PROBE = """
import json, sys
try:
    from importlib import metadata
except ImportError:
    import importlib_metadata as metadata
found = {"python": "%d.%d.%d" % sys.version_info[:3], "versions": {}}
for name in sys.argv[1:]:
    try:
        found["versions"][name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter with what could be installed of a target's dependencies."""

    python: str
    """Path of the interpreter."""
    kind: str
    """`sanctuary`: the interpreter that runs Sanctuary; `built`: a virtual environment of the target's own."""
    python_version: str
    versions: dict[str, str] = {}
    """Versions of `TOOLS`, pytest's plugins that concern the engines, and the target, where they are installed."""
    declared_in: tuple[str, ...] = ()
    """Where the test dependencies were declared."""
    why: str = ""
    """Why it is of this kind."""
    missing: tuple[NotInstalled, ...] = ()
    notes: tuple[str, ...] = ()
    own: str | None = None
    """The target's distribution, where it is installed."""
    built_at: float = 0.0
    """Seconds since the epoch."""
    cut_off_s: float = 0.0
    """For how long it could be built, where that was too short for some of what is missing; 0: for nothing was it too short."""

    def bin(self) -> Path:
        """Return the directory of the environment's programs."""
        return Path(self.python).parent

    def report(self) -> dict[str, Any]:
        """Return what a report says of it."""
        return {
            "kind": self.kind,
            "python": self.python_version,
            "versions": self.versions,
            "declared_in": list(self.declared_in),
            "why": self.why,
            "missing": [{"requirement": item.requirement, "reason": item.reason} for item in self.missing],
            "notes": list(self.notes),
        }


def probed(environment: Environment) -> Environment:
    """Return `environment` with the versions that its interpreter finds."""
    names = [*TOOLS, "pytest-cov", "pytest-xdist", *([environment.own] if environment.own else [])]
    found = _ask(Path(environment.python), _PROBE, names)
    return msgspec.structs.replace(environment, python_version=found["python"], versions=found["versions"])


def importable(python: Path, modules: Sequence[str]) -> bool:
    """Say whether all of `modules` can be found by `python`."""
    code = (
        "import importlib.util, sys, json; print(json.dumps([bool(importlib.util.find_spec(m)) for m in sys.argv[1:]]))"
    )
    return all(_ask(python, code, list(modules)))


def _ask(python: Path, code: str, arguments: list[str]) -> Any:
    # what is installed may run whenever the interpreter begins: it finds neither a network nor the user's home
    argv = offline.offline([str(python), "-c", code, *arguments])
    env = process.minimal_env() | {"HOME": str(python.parent.parent)}
    done = process.run(argv, cwd=Path("/"), timeout_s=_TIMEOUT_S, env=env)
    if done.exit_status != 0:
        raise EngineError(f"{python} does not work: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return json.loads(done.stdout)


def standard_library(python: Path) -> tuple[Path, ...]:
    """Return the directories of the standard library of `python`."""
    found = _ask(
        python, "import json, sysconfig as s; print(json.dumps([s.get_path(n) for n in ('stdlib', 'platstdlib')]))", []
    )
    return tuple(Path(path) for path in dict.fromkeys(found) if path)


def distributions(python: Path, name: str) -> list[importlib.metadata.Distribution]:
    """Return what is installed under `name` in the virtual environment of `python`."""
    packages = site_packages(python)
    path = [str(packages)] if packages else []
    return list(importlib.metadata.distributions(name=name, path=path))


def site_packages(python: Path) -> Path | None:
    """Return where the virtual environment of `python` keeps its packages."""
    return next(iter(sorted(python.parent.parent.glob("lib/python*/site-packages"))), None)


def find_python(requires_python: str) -> str:
    """Return this interpreter's Python, or the newest other one on PATH that the target allows."""
    if existing.python_satisfies(requires_python, platform.python_version()):
        return str(Path(sys.base_prefix) / "bin" / Path(sys.executable).resolve().name)
    for minor in range(sys.version_info[1] + 8, 6, -1):
        found = shutil.which(f"python3.{minor}")
        if found is None:
            continue
        with contextlib.suppress(EngineError, ValueError):
            version = _ask(Path(found), _PROBE, [])["python"]
            if existing.python_satisfies(requires_python, version):
                return found
    here = platform.python_version()
    raise EngineError(f"the target needs Python {requires_python}; here is {here}, and no such one on PATH")
