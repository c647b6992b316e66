"""Where a reader, or a user, comes in: commands and plug-ins of the metadata, `python -m`, scripts, what a package exports."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import syntax, target_files
from clones.engines.architecture.discovery import Unit
from clones.engines.architecture.source import SourceFacts
from clones.engines.statements import Lines, Statement

MAX_LISTED = 60
_POINT = re.compile(r"(?P<module>[A-Za-z_][\w.]*)\s*(:\s*(?P<attribute>[A-Za-z_][\w.]*))?\s*(\[.*\])?\s*")
_COMMANDS = frozenset({"scripts", "gui-scripts", "console_scripts", "gui_scripts"})


class EntryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One way in."""

    kind: str
    """`command`, `plug-in`, `python -m`, `script` or `import`."""
    name: str
    module: str | None
    """The module of the target that it leads to, where that is known."""
    file: str
    line: int
    """Where it is declared or written."""
    statement: Statement

    def data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        plain.update(plain.pop("statement"))
        return plain


def find(
    target: Path, files: Mapping[str, str], units: Sequence[Unit], facts: Mapping[str, SourceFacts], lines: Lines
) -> list[EntryPoint]:
    """Return the ways in, the commands first."""
    points = [*_declared(target, files, lines), *_modules(files, lines), *_imports(units, files, lines)]
    told = {point.file for point in points}
    role_of = {file: unit.role for unit in units for file in unit.files}
    module_of = {file: module for module, file in files.items()}
    for file in sorted(facts):
        if facts[file].is_script and file not in told and role_of.get(file) in {"source", "script"}:
            points += _script(file, module_of.get(file), lines)
    return points


def _declared(target: Path, files: Mapping[str, str], lines: Lines) -> Iterator[EntryPoint]:
    declared = [*_of_pyproject(target), *_of_setup_cfg(target), *_of_setup_py(target)]
    for file, group, name, value in dict.fromkeys(declared):
        match = _POINT.fullmatch(value)
        line = _line_with(lines.of(file), name, value)
        if match is None or line is None:
            continue
        kind = "command" if group in _COMMANDS else "plug-in"
        module = match["module"] if match["module"] in files else None
        leads = (
            f"`{match['module']}`" if match["attribute"] is None else f"`{match['attribute']}` of `{match['module']}`"
        )
        places = [(file, line)]
        attribute = (match["attribute"] or "").partition(".")[0]
        if module is not None and (at := _definition(lines.of(files[module]), attribute)) is not None:
            places.append((files[module], at))
            leads += f" ({files[module]}:{at})"
        what = f"the command `{name}` starts" if kind == "command" else f"the plug-in `{name}` of `{group}` is"
        command, expected = lines.shown(places)
        yield EntryPoint(
            kind=kind,
            name=name,
            module=module,
            file=file,
            line=line,
            statement=Statement(text=f"{what} {leads}", how_to_check=command, expected=expected),
        )


def _of_pyproject(target: Path) -> Iterator[tuple[str, str, str, str]]:
    read = target_files.toml(target, "pyproject.toml")
    poetry = _table(_table(read, "tool"), "poetry")
    project = _table(read, "project")
    for group, table in (
        ("scripts", _table(project, "scripts")),
        ("gui-scripts", _table(project, "gui-scripts")),
        ("scripts", _table(poetry, "scripts")),
        *((group, _table(_table(project, "entry-points"), group)) for group in _table(project, "entry-points")),
        *((group, _table(_table(poetry, "plugins"), group)) for group in _table(poetry, "plugins")),
    ):
        yield from (("pyproject.toml", group, name, value) for name, value in table.items() if isinstance(value, str))


def _table(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _of_setup_cfg(target: Path) -> Iterator[tuple[str, str, str, str]]:
    config = target_files.ini(target, "setup.cfg")
    if config.has_section("options.entry_points"):
        for group, text in config.items("options.entry_points"):
            yield from (("setup.cfg", group, *pair) for pair in _pairs(text.splitlines()))


def _of_setup_py(target: Path) -> Iterator[tuple[str, str, str, str]]:
    tree = syntax.parsed(target_files.text(target, "setup.py"))
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "entry_points":
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError):
                continue
            for group, points in value.items() if isinstance(value, dict) else ():
                texts = points.splitlines() if isinstance(points, str) else points
                if not isinstance(texts, list | tuple):
                    continue
                yield from (("setup.py", str(group), *pair) for pair in _pairs(texts))


def _pairs(texts: Sequence[object]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = str(text).partition("=")
        if equals:
            yield name.strip(), value.strip()


def _line_with(lines: Sequence[str], name: str, value: str) -> int | None:
    return next((number for number, line in enumerate(lines, 1) if name in line and value in line), None)


def _definition(lines: Sequence[str], name: str) -> int | None:
    if not name:
        return None
    pattern = re.compile(rf"(?:async def|def|class) {re.escape(name)}\b|{re.escape(name)}\s*[:=]")
    return next((number for number, line in enumerate(lines, 1) if pattern.match(line)), None)


def _modules(files: Mapping[str, str], lines: Lines) -> Iterator[EntryPoint]:
    for module, file in files.items():
        if module.rpartition(".")[2] == "__main__" and lines.of(file):
            package = module.rpartition(".")[0]
            number = next(at for at, line in enumerate(lines.of(file), 1) if line.strip() or at == len(lines.of(file)))
            command, expected = lines.shown([(file, number)])
            yield EntryPoint(
                kind="python -m",
                name=package,
                module=module,
                file=file,
                line=number,
                statement=Statement(
                    text=f"`python -m {package}` runs {file}, which begins so",
                    how_to_check=command,
                    expected=expected,
                ),
            )


def _imports(units: Sequence[Unit], files: Mapping[str, str], lines: Lines) -> Iterator[EntryPoint]:
    """Yield what `import <package>` gives at the top: the names that its `__init__` binds by imports from the package."""
    for unit in units:
        file = files.get(unit.name)
        if not unit.is_package or file is None:
            continue
        bound = _bound("\n".join(lines.of(file)), unit.name)
        if not bound:
            continue
        names = sorted(name for name, _ in bound)
        shown = ", ".join(f"`{name}`" for name in names[:8]) + (", …" if len(names) > 8 else "")
        command, expected = lines.shown([(file, line) for line in sorted({line for _, line in bound})[:12]])
        words = "1 name" if len(names) == 1 else f"{len(names)} names"
        yield EntryPoint(
            kind="import",
            name=unit.name,
            module=unit.name,
            file=file,
            line=min(line for _, line in bound),
            statement=Statement(
                text=f"`import {unit.name}` offers {words} that its modules define: {shown} ({file})",
                how_to_check=command,
                expected=expected,
            ),
        )


def _bound(text: str, package: str) -> set[tuple[str, int]]:
    tree = syntax.parsed(text)
    if tree is None:
        return set()
    return {
        (alias.asname or alias.name, alias.lineno)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        and (node.level == 1 or (node.level == 0 and (node.module or "").startswith(f"{package}.")))
        for alias in node.names
        if not (alias.asname or alias.name).startswith("_") and alias.name != "*"
    }


def _script(file: str, module: str | None, lines: Lines) -> Iterator[EntryPoint]:
    guard = re.compile(r"if\s+__name__\s*==")
    number = next((at for at, line in enumerate(lines.of(file), 1) if guard.match(line)), None)
    if number is not None:
        command, expected = lines.shown([(file, number)])
        yield EntryPoint(
            kind="script",
            name=file,
            module=module,
            file=file,
            line=number,
            statement=Statement(
                text=f"{file} can be run as a script (line {number})", how_to_check=command, expected=expected
            ),
        )
