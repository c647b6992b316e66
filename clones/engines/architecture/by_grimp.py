"""Commands with which a reader has grimp itself say what this engine says of the imports."""

import re
from collections.abc import Sequence

from clones.engines.architecture.discovery import Unit
from clones.engines.statements import quoted

SHELL_SIGNS = frozenset('"$`\\!\n')
"""What a shell does not take as it is between double quotes."""


_PLAIN = re.compile(r"[\w/-]+(\.pyi?)?")
"""Paths of modules that grimp's finder, import-linter's files and a shell take alike."""


def seen_by_grimp(units: Sequence[Unit]) -> list[Unit]:
    """Return the packages, where grimp's own finder sees them as this engine does; none where it does not."""
    packages = [unit for unit in units if unit.is_package]
    names = [unit.name for unit in packages]
    odd = any(
        unit.implicit
        or unit.unread
        or not unit.path
        or not unit.name.isidentifier()
        or not all(map(_PLAIN.fullmatch, unit.files))
        for unit in packages
    )
    return [] if odd or len(names) != len(set(names)) else packages


def roots(packages: Sequence[Unit]) -> str:
    """Return the assignment that puts the packages on Python's path."""
    return f"PYTHONPATH={':'.join(quoted(root) for root in sorted({unit.root or '.' for unit in packages}))}"


def grimp_command(units: Sequence[Unit], code: str) -> str | None:
    """Return a command that runs `code` with the import graph as `g`.

    None where grimp sees another graph, or where a module's name in `code` means something to a shell.
    """
    packages = seen_by_grimp(units)
    if not packages or not SHELL_SIGNS.isdisjoint(code):
        return None
    names = ", ".join(repr(unit.name) for unit in packages)
    build = f"g = grimp.build_graph({names}, cache_dir=None, exclude_type_checking_imports=True)"
    return f'{roots(packages)} python3 -c "import grimp; {build}; {code}"'
