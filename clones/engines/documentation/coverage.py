"""Documentation coverage as interrogate defines it, taken from interrogate itself: the number is the same by hand.

`command` is the run that prints it. Counted are modules and what is public by name in them: classes, functions, methods
without a leading underscore in their names or their parents'; not special methods, `__init__` (its class documents it),
overloads, property setters, or anything inside a function or a class inside a class.
"""

import os
import shlex
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from interrogate.config import InterrogateConfig
from interrogate.coverage import InterrogateCoverage

from clones.engines.contract import NotAnalysed
from clones.engines.documentation.sources import Module
from clones.engines.statements import Statement, quoted

_FLAGS = (
    "--ignore-init-method",
    "--ignore-magic",
    "--ignore-private",
    "--ignore-semiprivate",
    "--ignore-nested-functions",
    "--ignore-nested-classes",
    "--ignore-overloaded-functions",
    "--ignore-setters",
)
_CONFIG = InterrogateConfig(
    ignore_init_method=True,
    ignore_magic=True,
    ignore_private=True,
    ignore_semiprivate=True,
    ignore_nested_functions=True,
    ignore_nested_classes=True,
    ignore_overloaded_functions=True,
    ignore_property_setters=True,
)
_KINDS = {"Module": "module", "ClassDef": "class", "FunctionDef": "function", "AsyncFunctionDef": "function"}
_HIDDEN_FROM_INTERROGATE = (".tox", ".venv", "venv", ".git", ".hg")
"""Names that interrogate leaves out of a directory it walks, and every name that starts with one of them."""


class Undocumented(msgspec.Struct, frozen=True, kw_only=True):
    """A public object without a docstring."""

    name: str
    """Dotted, from the top package."""
    kind: str
    """`module`, `class`, `method` or `function`."""
    file: str
    line: int


class ModuleCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """One module's share: `documented` of `total` objects, the module itself among them."""

    module: str
    file: str
    documented: int
    total: int
    percent: float


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Coverage of all modules; `percent` is None when there was nothing to count."""

    documented: int
    total: int
    percent: float | None
    modules: tuple[ModuleCoverage, ...]
    undocumented: tuple[Undocumented, ...]
    not_analysed: tuple[NotAnalysed, ...]


def measure(target: Path, modules: Iterable[Module]) -> Coverage:
    """Measure `modules` of `target`."""
    counted: list[ModuleCoverage] = []
    missing: list[Undocumented] = []
    failed: list[NotAnalysed] = []
    for module in modules:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = InterrogateCoverage([str(target / module.file)], conf=_CONFIG).get_coverage()
        except RecursionError:
            failed.append(NotAnalysed(subject=module.file, reason="nested too deeply for interrogate"))
            continue
        counted.append(
            ModuleCoverage(
                module=module.name,
                file=module.file,
                documented=result.covered,
                total=result.total,
                percent=percent(result.covered, result.total) or 0.0,
            )
        )
        for node in (node for file in result.file_results for node in file.nodes if not node.covered):
            kind = (
                "method" if node.parent is not None and node.parent.node_type == "ClassDef" else _KINDS[node.node_type]
            )
            inner = node.path.partition(":")[2]
            name = f"{module.name}.{inner}" if inner else module.name
            missing.append(Undocumented(name=name, kind=kind, file=module.file, line=node.lineno or 1))
    documented, total = sum(each.documented for each in counted), sum(each.total for each in counted)
    return Coverage(
        documented=documented,
        total=total,
        percent=percent(documented, total),
        modules=tuple(counted),
        undocumented=tuple(missing),
        not_analysed=tuple(failed),
    )


def stated(covered: Coverage, argv: Sequence[str]) -> Statement:
    """Return the coverage of the whole, to be seen in interrogate's own last line."""
    figures = f"{covered.total} {covered.total - covered.documented} {covered.documented} {covered.percent}%"
    return Statement(
        text=f"Of {covered.total} public objects {covered.documented} are documented, {covered.percent}%",
        how_to_check=f"{shlex.join((*argv, '-v'))} | awk '/^. TOTAL /{{print $4, $6, $8, $10}}'",
        expected=figures,
    )


def stated_missing(each: Undocumented) -> Statement:
    """Say that an object has no docstring, with Python's own parser as the witness."""
    if each.kind == "module":
        code = "import ast, sys; print(ast.get_docstring(ast.parse(open(sys.argv[1], 'rb').read())))"
        expected = "None"
    else:
        code = (
            "import ast, sys; print(*[n.name for n in ast.walk(ast.parse(open(sys.argv[1], 'rb').read())) "
            f"if hasattr(n, 'name') and hasattr(n, 'body') and n.lineno == {each.line} and not ast.get_docstring(n)])"
        )
        expected = each.name.rpartition(".")[2]
    return Statement(
        text=f"{each.kind} `{each.name}` ({each.file}:{each.line}) has no docstring",
        how_to_check=f'python3 -c "{code}" {quoted(each.file)}',
        expected=expected,
    )


def percent(documented: int, total: int) -> float | None:
    """Return the share in percent with one decimal, as interrogate prints it; None of nothing."""
    return round(100.0 * documented / total, 1) if total else None


def command(target: Path, files: Sequence[str]) -> list[str]:
    """Return the interrogate run that prints the same TOTAL for `files` when started in `target`.

    A directory stands for its files where interrogate reads exactly those; `--config` shuts out the target's settings.
    """
    return ["interrogate", *_FLAGS, "--fail-under", "0", "--config", os.devnull, *_cover(target, "", frozenset(files))]


def _cover(target: Path, directory: str, files: frozenset[str]) -> list[str]:
    inside = sorted(file for file in files if file.startswith(directory))
    if directory and _walk(target, directory) == inside:
        return [_argument(directory.rstrip("/"))]
    paths = []
    for name in sorted({file.removeprefix(directory).split("/")[0] for file in inside}):
        path = directory + name
        paths += [_argument(path)] if path in files else _cover(target, f"{path}/", files)
    return paths


def _argument(path: str) -> str:
    return f"./{path}" if path.startswith("-") else path


def _walk(target: Path, directory: str) -> list[str]:
    """Return the files that interrogate reads in `directory`; none where its rules for hidden names would matter."""
    found = []
    for root, directories, names in os.walk(target / directory):
        if any(name.startswith(_HIDDEN_FROM_INTERROGATE) for name in (*directories, *names)):
            return []
        found += [(Path(root) / name).relative_to(target).as_posix() for name in names if name.endswith(".py")]
    return sorted(found)
