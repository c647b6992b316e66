"""How a reader runs a target's tests or command by hand, in the project's directory; each prints `passes` or `fails`."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from clones.engines.environment import import_roots
from clones.engines.statements import quoted

TOLD = "&& echo passes || echo fails"


def pytest_line(copy: Path, tests: Sequence[str], *, network: bool = True) -> str:
    """Return how a reader runs these tests in the project's directory; it prints `passes` or `fails`.

    Without `network` in a network of its own that holds nothing, as unshare(1) makes it.
    """
    alone = "" if network else "unshare -rn "
    named = " ".join(map(quoted, tests))
    return (
        f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={roots(copy)} {alone}python3 -m pytest -q -p no:randomly -p no:cacheprovider {named} "
        f">/dev/null 2>&1 {TOLD}"
    )


def command_line(copy: Path, command: Sequence[str]) -> str:
    """Return how a reader runs the command in the project's directory; it prints `passes` or `fails`."""
    return f"PYTHONPATH={roots(copy)} {shlex.join(command)} >/dev/null 2>&1 {TOLD}"


def roots(copy: Path) -> str:
    """Return where the project's packages are imported from, as a shell word relative to its directory."""
    return ":".join(quoted(root.relative_to(copy).as_posix()) for root in import_roots(copy))
