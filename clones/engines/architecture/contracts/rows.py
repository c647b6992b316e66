"""Declared contracts and their violations as JSON values, each violation with its imports and a command that shows them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines.architecture.contracts import declared, proposal
from clones.engines.architecture.contracts.checking import Chain, Verdict, check, linked
from clones.engines.architecture.contracts.proposal import Proposal, propose
from clones.engines.architecture.discovery import Unit
from clones.engines.architecture.graph import Import, ModuleGraph
from clones.engines.architecture.packages import Structure
from clones.engines.statements import Lines, Statement


class Contracts(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of contracts."""

    data: dict[str, Any]
    proposal: Proposal | None


def data(target: Path, structure: Structure, graph: ModuleGraph, units: Sequence[Unit], lines: Lines) -> Contracts:
    """Check what the target declares, or where it declares nothing, propose."""
    declaration = declared.read(target, lines)
    rows = [] if declaration is None else _checked(declaration, graph, lines)
    proposed = None if rows else propose(structure, graph, units)
    told = {
        "declared_in": None if declaration is None else declaration.file,
        "declared": rows,
        "proposal": None if proposed is None else proposal.data(proposed, units),
    }
    return Contracts(data=told, proposal=proposed)


def _checked(declaration: declared.Declaration, graph: ModuleGraph, lines: Lines) -> list[dict[str, Any]]:
    edges = linked(graph, leaves_typing_out=declaration.leaves_typing_out)
    return [
        _row(check(contract, graph.files, edges), declaration.file, edges, graph, lines)
        for contract in declaration.contracts
    ]


def _row(
    verdict: Verdict, file: str, edges: Mapping[tuple[str, str], Import], graph: ModuleGraph, lines: Lines
) -> dict[str, Any]:
    contract = verdict.contract
    problem = verdict.problem
    if not problem and verdict.unknown and not verdict.count:
        problem = "it names modules that the target does not have, for which import-linter refuses it"
    return {
        "name": contract.name,
        "kind": contract.kind,
        "file": file,
        "line": contract.line,
        "kept": None if problem else not verdict.count,
        "violation_count": verdict.count,
        "violations": [_violation(contract.name, chain, edges, graph, lines) for chain in verdict.chains],
        "unknown_modules": list(verdict.unknown),
        "idle_exceptions": list(verdict.idle),
        "problem": problem,
        "how_to_check": "`lint-imports` in the target's directory, where import-linter and the target are installed",
    }


def _violation(
    name: str, chain: Chain, edges: Mapping[tuple[str, str], Import], graph: ModuleGraph, lines: Lines
) -> dict[str, Any]:
    links: list[dict[str, Any]] = []
    for pair in zip(chain.modules, chain.modules[1:], strict=False):
        line = min(edges[pair].lines, key=lambda line: (line.typing_only, line.deferred, line.line))
        links.append(
            {
                "importer": pair[0],
                "imported": pair[1],
                "file": graph.files[pair[0]],
                "line": line.line,
                "code": line.code[:200],
            }
        )
    command, expected = lines.shown([(link["file"], link["line"]) for link in links])
    way = " -> ".join(chain.modules)
    places = ", ".join(f"{link['file']}:{link['line']}" for link in links)
    return {
        "importer": chain.importer,
        "imported": chain.imported,
        "chain": links,
        **Statement(
            text=f"The contract `{name}` is broken: {way} ({places})", how_to_check=command, expected=expected
        ).plain(),
    }
