"""The boundaries in the words of grimp and import-linter, so that a project can check them by itself from now on."""

from collections.abc import Iterable, Sequence

from clones.engines.architecture import discovery
from clones.engines.architecture.by_grimp import roots, seen_by_grimp
from clones.engines.architecture.graph import ModuleGraph
from clones.engines.architecture.packages import Structure
from clones.engines.design.components import Component

FILE = "design.importlinter"


def lint_command(units: Sequence[discovery.Unit]) -> str:
    """Return the command that checks the boundaries."""
    return f"{roots(seen_by_grimp(units))} lint-imports --no-cache --config {FILE} | grep '^Contracts:'"


def write(
    components: Sequence[Component],
    structure: Structure,
    graph: ModuleGraph,
    units: Sequence[discovery.Unit],
) -> tuple[str, int, int]:
    """Return a configuration of import-linter, and how many contracts and how many exceptions it has; empty without any.

    One contract for each component that others stand above: it imports none of those. What it imports today all the same
    is listed as an exception, so that the contracts hold from the first day.
    """
    packages = seen_by_grimp(units)
    seen = {
        name for name in graph.files for unit in packages if ":" not in name and f"{name}.".startswith(f"{unit.name}.")
    }
    level = {name: at for at, layer in enumerate(reversed(structure.layers)) for name in layer}
    modules = {item.name: [name for name in item.modules if name in seen] for item in components}
    present = {(edge.importer, edge.imported) for edge in graph.imports if not edge.typing_only}
    contracts: list[str] = []
    exceptions = 0
    for item in sorted(components, key=lambda item: (level[item.name], item.name)):
        above = [other.name for other in components if level[other.name] > level[item.name] and modules[other.name]]
        if not above or not modules[item.name]:
            continue
        forbidden = [name for other in sorted(above) for name in modules[other]]
        broken = [(one, other) for one in modules[item.name] for other in forbidden if (one, other) in present]
        exceptions += len(broken)
        contracts.append(_contract(item.name, modules[item.name], sorted(above), forbidden, broken))
    if not contracts:
        return "", 0, 0
    head = "[importlinter]\nroot_packages =\n" + _indented(unit.name for unit in packages)
    head += "exclude_type_checking_imports = True\n"
    return "\n".join((head, *contracts)), len(contracts), exceptions


def _contract(
    name: str, modules: list[str], above: list[str], forbidden: list[str], broken: list[tuple[str, str]]
) -> str:
    lines = f"[importlinter:contract:{name}]\nname = {name} imports nothing of {', '.join(above)}\ntype = forbidden\n"
    lines += "as_packages = False\nallow_indirect_imports = True\n"
    lines += f"source_modules =\n{_indented(modules)}forbidden_modules =\n{_indented(forbidden)}"
    if broken:
        lines += f"ignore_imports =\n{_indented(f'{one} -> {other}' for one, other in broken)}"
    return lines


def _indented(names: Iterable[str]) -> str:
    return "".join(f"    {name}\n" for name in names)
