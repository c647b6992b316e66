"""A contract for a target that declares none: its inferred layers, in import-linter's words, ready to paste.

What goes against the layers today is listed as exceptions, so that the contract holds from the first day.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from clones.engines.architecture.by_grimp import roots, seen_by_grimp
from clones.engines.architecture.contracts.checking import Chain, check, linked
from clones.engines.architecture.contracts.declared import Contract
from clones.engines.architecture.discovery import Unit
from clones.engines.architecture.graph import ModuleGraph
from clones.engines.architecture.packages import Structure
from clones.engines.statements import Statement

FILE = "layers.toml"
_NAME = "layers, from the top"
_MAX_EXCEPTIONS = 400
_MAX_ROUNDS = 60


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A layers contract."""

    text: str
    """For `pyproject.toml`, or for a file of its own."""
    layers: tuple[str, ...]
    exceptions: tuple[str, ...]
    unlisted: tuple[str, ...]
    """Parts that are no layer: packages' `__init__` beside their own modules, and what import-linter does not see."""


def propose(structure: Structure, graph: ModuleGraph, units: Sequence[Unit]) -> Proposal | None:
    """Return the contract; None where there are not two layers, or where it would be more exceptions than rules."""
    hidden = {file for unit in units for file in unit.implicit}
    packages = sorted({unit.name for unit in units if unit.is_package and unit.name.isidentifier()})
    modules = {
        name
        for name, file in graph.files.items()
        if ":" not in name and file not in hidden and name.partition(".")[0] in packages
    }
    arcs = {pair for pair in linked(graph, leaves_typing_out=True) if modules.issuperset(pair)}
    names = [part.name for part in structure.parts]
    kept = {name for name in names if name in modules and not any(other.startswith(f"{name}.") for other in names)}
    home = {module: part.name for part in structure.parts if part.name in kept for module in part.modules}
    between = {(home.get(one), home.get(other)) for one, other in arcs}
    rows = [[name for name in layer if name in kept] for layer in structure.layers]
    layers = tuple(_layer(row, between) for row in rows if row)
    if len(layers) < 2:
        return None
    level = {name: at for at, row in enumerate(reversed(rows)) for name in row}
    exceptions = _exceptions(layers, modules, arcs, {module: level[part] for module, part in home.items()})
    if exceptions is None:
        return None
    return Proposal(
        text=_text(packages, layers, exceptions),
        layers=layers,
        exceptions=exceptions,
        unlisted=tuple(name for name in names if name not in kept),
    )


def data(proposal: Proposal, units: Sequence[Unit]) -> dict[str, Any]:
    """Return it as JSON values, with a command that checks it where import-linter sees the target as this engine does."""
    row: dict[str, Any] = {
        "file": FILE,
        "text_to_paste": proposal.text,
        "layers": list(proposal.layers),
        "exceptions": list(proposal.exceptions),
        "unlisted": list(proposal.unlisted),
    }
    packages = seen_by_grimp(units)
    if packages:
        text = (
            f"import-linter keeps the proposed contract of {len(proposal.layers)} layers today, with "
            f"{len(proposal.exceptions)} exceptions"
        )
        command = f"{roots(packages)} lint-imports --no-cache --config {FILE} | grep '^Contracts:'"
        statement = Statement(text=text, how_to_check=command, expected="Contracts: 1 kept, 0 broken.")
        row |= {**statement.plain(), "needs_file": FILE}
    return row


def _layer(row: Sequence[str], between: set[tuple[str | None, str | None]]) -> str:
    """Return parts of one layer, as independent of each other where they are."""
    coupled = any((one, other) in between for one in row for other in row if one != other)
    return (" : " if coupled else " | ").join(row)


def _exceptions(
    layers: Sequence[str], modules: set[str], arcs: set[tuple[str, str]], level: Mapping[str, int]
) -> tuple[str, ...] | None:
    """Return the imports without which the layers hold: of each chain that breaks them, the one against the layers."""
    ignored: set[tuple[str, str]] = set()
    for _ in range(_MAX_ROUNDS):
        contract = Contract(name=_NAME, kind="layers", line=0, options={"layers": tuple(layers)})
        verdict = check(contract, modules, arcs - ignored)
        if not verdict.chains:
            return tuple(f"{one} -> {other}" for one, other in sorted(ignored)) if not verdict.problem else None
        ignored.update(_culprit(chain, level) for chain in verdict.chains)
        if len(ignored) > _MAX_EXCEPTIONS:
            return None
    return None


def _culprit(chain: Chain, level: Mapping[str, int]) -> tuple[str, str]:
    links = list(zip(chain.modules, chain.modules[1:], strict=False))
    against = [link for link in links if all(end in level for end in link) and level[link[0]] < level[link[1]]]
    # else the chain leads through a module that is no layer, mostly a package's `__init__`: who imports that is to blame
    loose = [link for link in links if link[1] not in level]
    return min(against or loose or links)


def _text(packages: Iterable[str], layers: Iterable[str], exceptions: Sequence[str]) -> str:
    head = f"[tool.importlinter]\nroot_packages = {_array(packages)}\nexclude_type_checking_imports = true\n\n"
    contract = f'[[tool.importlinter.contracts]]\nname = "{_NAME}"\ntype = "layers"\nlayers = {_array(layers)}\n'
    return head + contract + (f"ignore_imports = {_array(exceptions)}\n" if exceptions else "")


def _array(values: Iterable[str]) -> str:
    return "[\n" + "".join(f"    {msgspec.json.encode(value).decode()},\n" for value in values) + "]"
