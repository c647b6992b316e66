"""hypothesis for a target's environment: its own, else the one that Sanctuary is installed with. Nothing is fetched."""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from clones.engines.environment import Environment
from clones.engines.environment.interpreter import importable

_DISTRIBUTIONS = ("hypothesis", "sortedcontainers")


def bring(environment: Environment, directory: Path) -> str:
    """Fill `directory` with what the environment's interpreter lacks of hypothesis; returns why that cannot be, or nothing.

    Only links are made there: what else is installed beside hypothesis stays unseen, its pytest plugin included.
    """
    directory.mkdir()
    if importable(Path(environment.python), ["hypothesis"]):
        return ""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not environment.python_version.startswith(f"{here}."):
        return (
            f"hypothesis is not in the target's environment (Python {environment.python_version}), and the one here is for "
            f"Python {here}: add hypothesis to what the target's tests need"
        )
    for name in _DISTRIBUTIONS:
        try:
            found = distribution(name)
        except PackageNotFoundError:
            return f"{name} is not installed: pip install hypothesis"
        tops = {
            file.parts[0] for file in found.files or () if file.parts[0] != ".." and ".dist-info" not in file.parts[0]
        }
        for top in sorted(tops - {"__pycache__"}):
            (directory / top).symlink_to(Path(str(found.locate_file(top))))
    return ""
