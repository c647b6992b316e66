"""Where a target's code stands in its copy, and what the code sees when it runs."""

import os
import shutil
from pathlib import Path

from clones.engines import process
from clones.engines.environment.interpreter import Environment, distributions


def import_roots(copy: Path) -> tuple[Path, ...]:
    """Return the directories from which a target's packages are imported: `src`, `lib` or `python`, else its root."""
    found = tuple(root for name in ("src", "lib", "python") if (root := copy / name).is_dir() and _holds_code(root))
    return found if found and not (copy / found[0].name / "__init__.py").exists() else (copy,)


def run_env(environment: Environment, copy: Path, scratch: Path, first: Path | None = None) -> dict[str, str]:
    """Return the variables for running the target's code.

    Its copy is on the module path, after the directory `first`; home and temporary directory are below `scratch`.
    `SANCTUARY_INSIDE_REVIEW` tells tests that start reviews themselves that they run inside one.
    """
    home, temporary = scratch / "home", scratch / "tmp"
    home.mkdir(exist_ok=True)
    temporary.mkdir(exist_ok=True)
    path = [str(part) for part in (first, *import_roots(copy)) if part is not None]
    env = process.minimal_env()
    env |= {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PATH": os.pathsep.join((str(environment.bin()), env["PATH"])),
        "PYTHONPATH": os.pathsep.join(path),
        "SANCTUARY_INSIDE_REVIEW": "1",
    }
    env.pop("XDG_CACHE_HOME", None)
    if environment.kind == "built":
        env["VIRTUAL_ENV"] = str(environment.bin().parent)
    return env


def add_built_files(environment: Environment, copy: Path) -> None:
    """Copy what the build made and the sources lack into `copy`, which hides the installed package when it runs."""
    if environment.kind != "built" or environment.own is None:
        return
    roots = import_roots(copy)
    for distribution in distributions(Path(environment.python), environment.own):
        for entry in distribution.files or []:
            installed = Path(str(entry.locate()))
            for root in roots:
                wanted = root / str(entry)
                inside = len(entry.parts) > 1 and ".." not in entry.parts and (root / entry.parts[0]).is_dir()
                if inside and entry.suffix != ".pyc" and not wanted.exists() and installed.is_file():
                    wanted.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(installed, wanted)


def _holds_code(root: Path) -> bool:
    return any(root.glob("*.py")) or any(root.glob("*/*.py")) or any(root.glob("*/*/__init__.py"))
