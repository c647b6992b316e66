"""Configuration of coverage.py for a target: its own packages, and its own word on which lines do not count."""

import configparser
from io import StringIO
from pathlib import Path
from typing import Any

from clones.engines import target_files
from clones.engines.isolation import NOT_COPIED

# directories of a project that hold no part of what it delivers
_NOT_OWN = frozenset(
    {
        *("tests", "test", "t", "docs", "doc", "examples", "example", "benchmarks", "benchmark", "build", "dist"),
    }
)
_TEST_MODULES = ("conftest.py", "test_*.py", "*_test.py")
_KEPT = {
    "run": ("omit", "concurrency"),
    "report": ("omit", "exclude_lines", "exclude_also", "partial_branches", "partial_also"),
}


def coverage_rcfile(root: Path, import_roots: tuple[Path, ...], data_file: Path, *, over_processes: bool) -> str:
    """Return the text of a configuration file that measures the target's own packages in the copy `root`, with branches.

    Files that no test imports count too. The target's exclusions and its omitted files are kept; the sources it names
    are not, as they may include its tests. `over_processes`: worker processes are measured as well (coverage 7.10).
    """
    own = _target_settings(root)
    omit = [*own["run"].pop("omit", []), *own["report"].get("omit", []), *_omitted(root, import_roots)]
    own["report"].pop("omit", None)
    parser = configparser.ConfigParser(interpolation=None)
    parser["run"] = {
        "branch": "true",
        "parallel": "true",
        "relative_files": "true",
        "data_file": str(data_file),
        "source": _list([str(path) for path in import_roots]),
        "omit": _list(omit),
        "disable_warnings": _list(["module-not-imported", "no-data-collected", "couldnt-parse", "module-not-measured"]),
        **({"patch": "subprocess"} if over_processes else {}),
        **{name: _list(lines) for name, lines in own["run"].items()},
    }
    parser["report"] = {
        "ignore_errors": "true",
        "omit": _list(omit),
        **({"include_namespace_packages": "true"} if _has_namespace_packages(root, import_roots) else {}),
        **{name: _list(lines) for name, lines in own["report"].items()},
    }
    text = StringIO()
    parser.write(text)
    return text.getvalue()


def _omitted(root: Path, import_roots: tuple[Path, ...]) -> list[str]:
    """Return patterns of what is below an import root and no part of the target's own packages."""
    patterns = ["*/site-packages/*", *(f"*/{name}" for name in _TEST_MODULES)]
    patterns += [str(root / name) for name in ("setup.py", "noxfile.py")]
    patterns += [f"{path}/**/tests/**" for path in import_roots]
    for import_root in import_roots:
        for path in sorted(import_root.iterdir()):
            if not path.is_dir():
                continue
            foreign = import_root == root and not (path / "__init__.py").is_file()
            unpacked = path.name in NOT_COPIED or path.name.startswith(".") or path.name.endswith(".egg-info")
            if foreign or unpacked or (import_root == root and path.name in _NOT_OWN):
                patterns.append(f"{path}/*")
    return patterns


def _has_namespace_packages(root: Path, import_roots: tuple[Path, ...]) -> bool:
    """Say whether a package without `__init__.py` stands in a source directory, where every directory is a package."""
    return any(
        path.is_dir() and not path.name.endswith(".egg-info") and not (path / "__init__.py").is_file()
        for import_root in import_roots
        if import_root != root
        for path in import_root.iterdir()
    )


def _target_settings(root: Path) -> dict[str, dict[str, list[str]]]:
    """Read what is kept of the target's own configuration, from the first file that coverage would read."""
    for name, prefix in ((".coveragerc", ""), ("setup.cfg", "coverage:"), ("tox.ini", "coverage:")):
        found = _from_ini(root / name, prefix)
        if any(found.values()):
            return found
    tool = target_files.toml(root, "pyproject.toml").get("tool", {})
    table = tool.get("coverage", {}) if isinstance(tool, dict) else {}
    return {
        section: {key: lines for key in keys if (lines := _as_list(table.get(section, {}).get(key)))}
        for section, keys in _KEPT.items()
    }


def _from_ini(path: Path, prefix: str) -> dict[str, dict[str, list[str]]]:
    parser = target_files.ini(path.parent, path.name)
    return {
        section: {
            key: lines
            for key in keys
            if (lines := _as_list(parser.get(f"{prefix}{section}", key, fallback=None), split_commas=section == "run"))
        }
        for section, keys in _KEPT.items()
    }


def _as_list(value: Any, *, split_commas: bool = False) -> list[str]:
    if isinstance(value, str):
        text = value.replace(",", "\n") if split_commas else value
        return [line for raw in text.splitlines() if (line := raw.strip())]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _list(lines: list[str]) -> str:
    return "\n" + "\n".join(lines)
