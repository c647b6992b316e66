"""Import cycles as JSON values: the way round, the cheapest cut, and commands that show both."""

from collections.abc import Sequence
from typing import Any

from clones.engines.architecture.by_grimp import SHELL_SIGNS, grimp_command
from clones.engines.architecture.cycles import Cycle
from clones.engines.architecture.discovery import Unit
from clones.engines.architecture.graph import Import, ModuleGraph
from clones.engines.statements import Lines, Statement

GRAPH_FILE = "graph.json"
MAX_IMPORTS = 40
"""Imports told of one cycle or dependency; `GRAPH_FILE` has all."""
_MAX_CHECKED = 150
"""Imports and modules beyond which a command would be longer than anyone reads."""
_ORDER = "print('no cycle' if graphlib.TopologicalSorter(d).prepare() is None else '')"


def data(cycle: Cycle, graph: ModuleGraph, units: Sequence[Unit], lines: Lines) -> dict[str, Any]:
    """Return what is told of one cycle."""
    around = " -> ".join((*cycle.shortest, cycle.shortest[0]))
    rows = imports(cycle.shortest_imports, graph)
    command, expected = lines.shown([(row["file"], row["line"]) for row in rows])
    places = ", ".join(f"{row['file']}:{row['line']}" for row in rows)
    cut = "" if len(rows) == len(cycle.shortest_imports) else f"; the first {len(rows)} of these imports are shown"
    check = Statement(
        text=f"{around} import each other in a circle: {places}{cut}", how_to_check=command, expected=expected
    )
    return {
        "modules": list(cycle.modules),
        "shortest": list(cycle.shortest),
        "imports": rows,
        "at_import_time": cycle.at_import_time,
        "cut": imports(cycle.cut, graph),
        "cut_count": len(cycle.cut),
        "cut_is_least": cycle.cut_is_least,
        "cut_check": _cut_check(cycle, graph, units, lines),
        "how_to_check": f"Open each file under `imports` at its line: they lead round {around}.",
        "check": check.plain(),
    }


def imports(edges: Sequence[Import], graph: ModuleGraph) -> list[dict[str, Any]]:
    """Return each import with the line that proves it, the first that runs (at import time where there is one), and all."""
    rows = []
    for edge in edges[:MAX_IMPORTS]:
        line = min(edge.lines, key=lambda line: (line.typing_only, line.deferred, line.line))
        rows.append(
            {
                "importer": edge.importer,
                "imported": edge.imported,
                "file": graph.files[edge.importer],
                "line": line.line,
                "lines": [each.line for each in edge.lines if not each.typing_only or edge.typing_only],
                "code": line.code[:200],
                "deferred": edge.deferred,
            }
        )
    return rows


def _cut_check(cycle: Cycle, graph: ModuleGraph, units: Sequence[Unit], lines: Lines) -> dict[str, Any]:
    """Return the statement that the cut leaves no cycle, by grimp, else by the graph's file, else by the lines alone."""
    rows = imports(cycle.cut, graph)
    places = ", ".join(f"{row['file']}:{','.join(map(str, row['lines']))}" for row in rows)
    more = f" and {len(cycle.cut) - len(rows)} more" if len(cycle.cut) > len(rows) else ""
    count = "this import" if len(cycle.cut) == 1 else f"these {len(cycle.cut)} imports"
    text = f"Without {count} the {len(cycle.modules)} modules have no cycle: {places}{more}"
    pairs = [(edge.importer, edge.imported) for edge in cycle.cut]
    command = None
    if len(pairs) <= _MAX_CHECKED and not any(":" in name for name in cycle.modules):
        one = cycle.modules[0]
        code = (
            f"import graphlib; m = {one!r}; c = g.find_upstream_modules(m) & g.find_downstream_modules(m) | {{m}}; "
            f"[g.remove_import(importer=a, imported=b) for a, b in {pairs}]; "
            f"d = {{n: g.find_modules_directly_imported_by(n) & c for n in c}}; {_ORDER}"
        )
        command = grimp_command(units, code)
    if command is not None:
        return Statement(text=text, how_to_check=command, expected="no cycle").plain()
    if max(len(pairs), len(cycle.modules)) <= _MAX_CHECKED and (ours := _by_file(cycle, pairs)) is not None:
        return {**Statement(text=text, how_to_check=ours, expected="no cycle").plain(), "needs_file": GRAPH_FILE}
    command, expected = lines.shown([(row["file"], line) for row in rows for line in row["lines"]])
    return Statement(text=text, how_to_check=command, expected=expected).plain()


def _by_file(cycle: Cycle, pairs: Sequence[tuple[str, str]]) -> str | None:
    code = (
        f"import graphlib, json; c = set({list(cycle.modules)}); cut = set({list(pairs)}); "
        f"e = [(i['importer'], i['imported']) for i in json.load(open('{GRAPH_FILE}'))['imports'] "
        f"if not i['typing_only']]; "
        f"d = {{n: [b for a, b in e if a == n and b in c and (a, b) not in cut] for n in c}}; {_ORDER}"
    )
    return f'python3 -c "{code}"' if SHELL_SIGNS.isdisjoint(code) else None
