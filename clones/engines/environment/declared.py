"""What a target declares about the environment that its code and its tests need. Reads files, runs nothing.

Test dependencies come from groups, extras and files named `test`, `tests` or `testing`, and from tox; those named `dev`
are taken only where there are no others, because they bring linters and release tools along.
"""

import configparser
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name

from clones.engines import target_files
from clones.engines.environment import locks, requirement_files

TEST_NAMES = ("test", "tests", "testing")
DEV_NAMES = ("dev", "develop", "development")


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A target's declarations, with PEP 508 requirements as text."""

    name: str | None
    """The distribution's normalised name, where it is declared without running code."""
    installable: bool
    """Whether pip can build and install the target itself."""
    requires_python: str
    requirements: tuple[str, ...]
    """What the target needs to be imported, as far as that is declared without running code."""
    test_requirements: tuple[str, ...]
    extras: tuple[str, ...]
    """Extras of the target that its tests need."""
    constraints: tuple[str, ...]
    """Constraint files, relative to the target."""
    lock_file: str | None
    locked: tuple[str, ...]
    """The versions in `lock_file`, as `name==version`, with markers."""
    declared_in: tuple[str, ...]
    """Where the test dependencies were found, for a person."""
    not_understood: tuple[str, ...]


class _Level(msgspec.Struct, kw_only=True):
    """What was found under one set of names."""

    lines: requirement_files.RequirementLines = msgspec.field(default_factory=requirement_files.RequirementLines)
    declared_in: list[str] = []

    def take(self, where: str, requirements: Iterable[str] = (), extras: Iterable[str] = ()) -> None:
        self.declared_in.append(where)
        self.lines.requirements += requirements
        self.lines.extras += extras


def read_declared(target: Path) -> Declared:
    """Read every place where Python projects declare dependencies; files that are no valid TOML or INI are absent."""
    pyproject = target_files.toml(target, "pyproject.toml")
    setup_cfg = target_files.ini(target, "setup.cfg")
    project = _table(pyproject, "project")
    options = setup_cfg["options"] if setup_cfg.has_section("options") else {}
    base = _Level()
    base.lines.requirements += _strings(project.get("dependencies"))
    base.lines.requirements += _lines(options.get("install_requires", ""))
    installable = bool(project or pyproject.get("build-system") or _is_poetry(pyproject))
    installable = installable or setup_cfg.has_section("options") or (target / "setup.py").is_file()
    if not installable:
        for name in ("requirements.txt", "requirements/base.txt", "requirements/default.txt"):
            if (target / name).is_file():
                requirement_files.read(target / name, target, base.lines)
                base.declared_in.append(name)
    level = _read_level(target, pyproject, setup_cfg, TEST_NAMES)
    _take_tox(target, pyproject, setup_cfg, level)
    if not level.declared_in:
        level = _read_level(target, pyproject, setup_cfg, DEV_NAMES)
    lock_file, locked = locks.locked_versions(target)
    declared_name = project.get("name") or _table(pyproject, "tool", "poetry").get("name")
    declared_name = declared_name or setup_cfg.get("metadata", "name", fallback=None)
    own_name = _normalised(declared_name) if isinstance(declared_name, str) else None
    own_extras, requirements = _without_itself(own_name, level.lines.requirements)
    return Declared(
        name=own_name,
        installable=installable,
        requires_python=str(project.get("requires-python") or options.get("python_requires", "") or ""),
        requirements=tuple(dict.fromkeys(base.lines.requirements)),
        test_requirements=tuple(dict.fromkeys(requirements)),
        extras=tuple(dict.fromkeys(canonicalize_name(extra) for extra in [*level.lines.extras, *own_extras])),
        constraints=tuple(dict.fromkeys([*base.lines.constraints, *level.lines.constraints])),
        lock_file=lock_file,
        locked=tuple(line for line in locked if line.partition("==")[0] != own_name),
        declared_in=(*base.declared_in, *level.declared_in),
        not_understood=(*base.lines.not_understood, *level.lines.not_understood),
    )


def _normalised(name: str) -> str | None:
    """Return a distribution's name as it is compared, None where it is none: paths are made of it."""
    try:
        return canonicalize_name(name, validate=True)
    except InvalidName:
        return None


def extra_requirements(target: Path, extras: Iterable[str]) -> list[str]:
    """Return what the target's `extras` bring, as far as `pyproject.toml` or `setup.cfg` says so."""
    wanted = set(extras)
    tables = _extras_of(target_files.toml(target, "pyproject.toml"), target_files.ini(target, "setup.cfg"))
    return [line for name, lines in tables.items() if canonicalize_name(name) in wanted for line in lines]


def _read_level(
    target: Path, pyproject: Mapping[str, Any], setup_cfg: configparser.ConfigParser, names: tuple[str, ...]
) -> _Level:
    level = _Level()
    for extra in _extras_of(pyproject, setup_cfg):
        if extra.lower() in names:
            level.take(f"extra `{extra}`", extras=[extra])
    groups = _table(pyproject, "dependency-groups")
    for group in groups:
        if group.lower() in names:
            try:
                level.take(f"dependency group `{group}`", resolve_dependency_groups(groups, group))
            except (ExceptionGroup, ValueError, LookupError, TypeError) as error:
                level.lines.not_understood.append(f"dependency group `{group}`: {error}")
    _take_tools(_table(pyproject, "tool"), names, level)
    for path in _requirement_paths(target, names):
        level.declared_in.append(path.relative_to(target).as_posix())
        requirement_files.read(path, target, level.lines)
    return level


def _take_tools(tool: Mapping[str, Any], names: tuple[str, ...], level: _Level) -> None:
    """Take the groups of uv, PDM, poetry and hatch from the `tool` table of `pyproject.toml`."""
    if names == DEV_NAMES and _strings(_table(tool, "uv").get("dev-dependencies")):
        level.take("tool.uv.dev-dependencies", _strings(tool["uv"]["dev-dependencies"]))
    for group, lines in _table(tool, "pdm", "dev-dependencies").items():
        if group.lower() in names:
            level.take(f"tool.pdm.dev-dependencies.{group}", _strings(lines))
    poetry = {name: _table(group, "dependencies") for name, group in _table(tool, "poetry", "group").items()}
    poetry.setdefault("dev", _table(tool, "poetry", "dev-dependencies"))
    for group, table in poetry.items():
        if group.lower() in names and table:
            level.take(f"poetry group `{group}`", _from_poetry(table))
    for env, table in _table(tool, "hatch", "envs").items():
        if env in (*names, "hatch-test", *(("default",) if names == DEV_NAMES else ())):
            lines = [*_strings(table.get("dependencies")), *_strings(table.get("extra-dependencies"))]
            if lines or table.get("features"):
                level.take(f"hatch environment `{env}`", lines, _strings(table.get("features")))


def _requirement_paths(target: Path, names: tuple[str, ...]) -> list[Path]:
    """Return the requirement files called after `names`; longer names (`test-ci.txt`) where none is called exactly so."""
    exact = [
        path
        for name in names
        for pattern in (f"requirements-{name}.txt", f"requirements_{name}.txt", f"{name}-requirements.txt")
        for path in (target / pattern, target / "requirements" / pattern)
        if path.is_file()
    ]
    exact += [path for name in names if (path := target / "requirements" / f"{name}.txt").is_file()]
    exact += [path for name in names[:2] if (path := target / name / "requirements.txt").is_file()]
    return exact or sorted(target.glob(f"requirements/{names[0]}*.txt"))


def _take_tox(target: Path, pyproject: Mapping[str, Any], setup_cfg: configparser.ConfigParser, level: _Level) -> None:
    """Take the dependencies of tox's base environment; lines for single factors (`py313: …`) are left out."""
    native = _table(pyproject, "tool", "tox", "env_run_base")
    deps = [dep for dep in native.get("deps", []) if isinstance(dep, str)]
    extras = _strings(native.get("extras"))
    groups = _strings(native.get("dependency_groups"))
    legacy = target_files.ini(target, "tox.ini")
    embedded = _table(pyproject, "tool", "tox").get("legacy_tox_ini")
    for parser in (legacy, _parsed_ini(embedded) if isinstance(embedded, str) else setup_cfg):
        if parser.has_section("testenv"):
            deps += _lines(parser.get("testenv", "deps", fallback=""))
            extras += _lines(parser.get("testenv", "extras", fallback="").replace(",", "\n"))
            groups += _lines(parser.get("testenv", "dependency_groups", fallback="").replace(",", "\n"))
    taken = False
    for dep in deps:
        line = dep.replace("{toxinidir}/", "").replace("{tox_root}/", "").strip()
        if not re.match(r"^[\w.!,{}-]+:\s", line) and "{" not in line:
            requirement_files.take_line(line, target, target, level.lines)
            taken = True
    declared_groups = _table(pyproject, "dependency-groups")
    for group in groups:
        if group in declared_groups and f"dependency group `{group}`" not in level.declared_in:
            level.lines.requirements += resolve_dependency_groups(declared_groups, group)
            taken = True
    known = {canonicalize_name(name) for name in _extras_of(pyproject, setup_cfg)}
    found = [extra for extra in extras if canonicalize_name(extra) in known]
    level.lines.extras += found
    if taken or found:
        level.declared_in.append("tox")


def _extras_of(pyproject: Mapping[str, Any], setup_cfg: configparser.ConfigParser) -> dict[str, list[str]]:
    found = {name: _strings(lines) for name, lines in _table(pyproject, "project", "optional-dependencies").items()}
    if setup_cfg.has_section("options.extras_require"):
        found |= {name: _lines(text) for name, text in setup_cfg.items("options.extras_require")}
    return found


def _without_itself(name: str | None, lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split off requirements on the target itself (`requests[socks]`): they are extras of what is installed anyway."""
    extras: list[str] = []
    others: list[str] = []
    for line in lines:
        try:
            parsed = Requirement(line)
        except InvalidRequirement:
            others.append(line)  # a path or an address: pip says what it thinks of it
            continue
        if name is not None and canonicalize_name(parsed.name) == name:
            extras += parsed.extras
        else:
            others.append(line)
    return sorted(extras), others


def _from_poetry(table: Mapping[str, Any]) -> list[str]:
    """Translate poetry's constraints to PEP 508; `^` and `~` become lower bounds, which is all an environment needs."""
    lines: list[str] = []
    for name, value in table.items():
        version = value.get("version", "*") if isinstance(value, dict) else value
        if name.lower() == "python" or not isinstance(version, str):
            continue
        extras = _strings(value.get("extras")) if isinstance(value, dict) else []
        bound = re.sub(r"^[\^~](?=\d)", ">=", version.strip())
        bound = "" if bound == "*" else (f"=={bound}" if bound[:1].isdigit() else bound)
        lines.append(f"{name}{'[' + ','.join(extras) + ']' if extras else ''}{bound}")
    return lines


def _is_poetry(pyproject: Mapping[str, Any]) -> bool:
    return bool(_table(pyproject, "tool", "poetry").get("name"))


def _parsed_ini(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        parser = configparser.ConfigParser(interpolation=None)
    return parser


def _table(root: Any, *path: str) -> dict[str, Any]:
    for key in path:
        root = root.get(key) if isinstance(root, dict) else None
    return root if isinstance(root, dict) else {}


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _lines(text: str) -> list[str]:
    return [line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("#")]
