"""Checks contracts on the import graph, with the meaning that import-linter gives them and with grimp's own search."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import grimp
import msgspec
from grimp.exceptions import GrimpException

from clones.engines.architecture.contracts.declared import Contract
from clones.engines.architecture.graph import Import, ModuleGraph

MAX_CHAINS = 60
"""Chains told of one contract."""


class Chain(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Imports that lead from where they must not begin to where they must not end."""

    importer: str
    imported: str
    """The two as the contract names them."""
    modules: tuple[str, ...]
    """Each imports the next; no shorter way is known."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one contract."""

    contract: Contract
    chains: tuple[Chain, ...]
    """The first `MAX_CHAINS` that break it, the shortest first."""
    count: int
    unknown: tuple[str, ...] = ()
    """Modules that it names and the graph does not have."""
    idle: tuple[str, ...] = ()
    """Its exceptions that no import needs."""
    problem: str = ""
    """Why it was not checked; empty where it was."""


def linked(graph: ModuleGraph, *, leaves_typing_out: bool) -> dict[tuple[str, str], Import]:
    """Return the imports that count, by importer and imported."""
    edges = (*graph.imports, *graph.outside)
    return {
        (edge.importer, edge.imported): edge
        for edge in edges
        if not (leaves_typing_out and edge.typing_only) and ":" not in edge.importer + edge.imported
    }


def check(contract: Contract, modules: Iterable[str], arcs: Iterable[tuple[str, str]]) -> Verdict:
    """Check one contract on the modules of a target and the imports that count."""
    kinds: Mapping[str, Callable[[Contract, grimp.ImportGraph], tuple[list[Chain], set[str]]]] = {
        "layers": _layers,
        "forbidden": _forbidden,
        "independence": _independence,
    }
    if contract.kind not in kinds:
        problem = f"contracts of the type `{contract.kind}` are not checked here"
        return Verdict(contract=contract, chains=(), count=0, problem=problem)
    built = _graph(modules, arcs)
    idle = []
    try:
        for expression in contract.options.get("ignore_imports", ()):
            matches = built.find_matching_direct_imports(import_expression=expression)
            idle += [] if matches else [expression]
            for match in matches:
                built.remove_import(importer=match["importer"], imported=match["imported"])
        chains, unknown = kinds[contract.kind](contract, built)
    except (GrimpException, ValueError) as error:
        return Verdict(contract=contract, chains=(), count=0, problem=f"it cannot be checked: {error}"[:400])
    chains.sort(key=lambda chain: (len(chain.modules), chain))
    return Verdict(
        contract=contract,
        chains=tuple(chains[:MAX_CHAINS]),
        count=len(chains),
        unknown=tuple(sorted(unknown)),
        idle=tuple(idle),
    )


def _graph(modules: Iterable[str], arcs: Iterable[tuple[str, str]]) -> grimp.ImportGraph:
    built = grimp.ImportGraph()
    own = {name for name in modules if ":" not in name}
    for name in sorted(own):
        built.add_module(name)
    for importer, imported in sorted(arcs):
        if imported not in own and imported not in built.modules:
            built.add_module(imported, is_squashed=True)
        built.add_import(importer=importer, imported=imported)
    return built


def _layers(contract: Contract, graph: grimp.ImportGraph) -> tuple[list[Chain], set[str]]:
    containers = _matching(contract.options.get("containers", ()), graph)
    layers, required = [], []
    for text in contract.options.get("layers", ()):
        names = [name.strip() for name in text.replace("|", ":").split(":")]
        required += [name for name in names if not name.startswith("(")]
        layers.append(grimp.Layer(*(name.strip("()") for name in names), independent=":" not in text))
    unknown = {container for container in containers if container not in graph.modules}
    whole = [f"{container}.{name}" for container in containers for name in required] if containers else required
    unknown |= {name for name in whole if name not in graph.modules}
    found = graph.find_illegal_dependencies_for_layers(layers=layers, containers=containers - unknown or None)
    return _chains(found), unknown


def _independence(contract: Contract, graph: grimp.ImportGraph) -> tuple[list[Chain], set[str]]:
    names = _matching(contract.options.get("modules", ()), graph)
    unknown = names - graph.modules
    found = graph.find_illegal_dependencies_for_layers(layers=[names - unknown]) if names - unknown else set()
    return _chains(found), unknown


def _forbidden(contract: Contract, graph: grimp.ImportGraph) -> tuple[list[Chain], set[str]]:
    sources = _matching(contract.options.get("source_modules", ()), graph)
    targets = _matching(contract.options.get("forbidden_modules", ()), graph)
    as_packages = contract.flag("as_packages", default=True)
    direct = contract.flag("allow_indirect_imports", default=False)
    own = {name.partition(".")[0] for name in sources}
    # a package outside that nothing imports is no mistake: nothing imports it
    unknown = {name for name in sources | targets if name not in graph.modules and name.partition(".")[0] in own}
    chains = []
    for source in sorted(sources & graph.modules):
        for forbidden in sorted(targets & graph.modules):
            if source == forbidden or (as_packages and (_holds(source, forbidden) or _holds(forbidden, source))):
                continue
            search = _direct if direct else _shortest
            ways = search(graph, source, forbidden, as_packages=as_packages)
            chains += [Chain(importer=source, imported=forbidden, modules=way) for way in ways]
    return chains, unknown


def _shortest(graph: grimp.ImportGraph, source: str, forbidden: str, *, as_packages: bool) -> set[tuple[str, ...]]:
    return graph.find_shortest_chains(importer=source, imported=forbidden, as_packages=as_packages)


def _direct(graph: grimp.ImportGraph, source: str, forbidden: str, *, as_packages: bool) -> set[tuple[str, ...]]:
    def members(name: str) -> set[str]:
        inside = graph.find_descendants(name) if as_packages and not graph.is_module_squashed(name) else set()
        return {name, *inside}

    imported = members(forbidden)
    return {
        (one, other) for one in members(source) for other in graph.find_modules_directly_imported_by(one) & imported
    }


def _matching(expressions: Sequence[str], graph: grimp.ImportGraph) -> set[str]:
    found: set[str] = set()
    for expression in expressions:
        found |= graph.find_matching_modules(expression) if "*" in expression else {expression}
    return found


def _holds(package: str, module: str) -> bool:
    return module.startswith(f"{package}.")


def _chains(found: set[grimp.PackageDependency]) -> list[Chain]:
    return [
        Chain(
            importer=dependency.importer,
            imported=dependency.imported,
            modules=(min(route.heads), *route.middle, min(route.tails)),
        )
        for dependency in found
        for route in dependency.routes
    ]
