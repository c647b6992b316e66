"""The versions that a target's own lock file holds, as constraints for pip: what its authors run their tests with."""

import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from clones.engines import target_files

_FILES = (("pylock.toml", "packages"), ("uv.lock", "package"), ("poetry.lock", "package"), ("pdm.lock", "package"))
_MAX_BYTES = 32 * 1024 * 1024


def locked_versions(target: Path) -> tuple[str | None, tuple[str, ...]]:
    """Return the lock file found and its `name==version` lines, with markers where a version is for some platforms only.

    Left out: packages that do not come from an index, and those with several versions that no marker tells apart.
    """
    for name, table in _FILES:
        read = target_files.content(target, name, _MAX_BYTES)
        if read is None:
            continue
        try:
            packages = tomllib.loads(read.decode()).get(table, [])
        except (ValueError, RecursionError):
            continue
        versions: defaultdict[str, set[str]] = defaultdict(set)
        for package in packages if isinstance(packages, list) else []:
            if isinstance(package, dict) and from_index(package):
                marker = _marker(package)
                line = f"=={package.get('version', '')}{f' ; {marker}' if marker else ''}"
                versions[canonicalize_name(str(package.get("name", "")))].add(line)
        lines = [
            f"{package}{line}"
            for package, found in sorted(versions.items())
            if len(found) == 1 or all(";" in line for line in found)
            for line in sorted(found)
        ]
        return name, tuple(line for line in lines if _is_requirement(line))
    return None, ()


def _marker(package: dict[str, Any]) -> str:
    """Return for which platforms and Pythons the entry is: uv, poetry, PDM and PEP 751 each have a name for it."""
    several = package.get("resolution-markers")
    if isinstance(several, list):
        return " or ".join(f"({marker})" for marker in several)
    marker = package.get("marker") or package.get("markers") or ""
    return marker if isinstance(marker, str) else ""


def from_index(package: dict[str, Any]) -> bool:
    """Whether a package of a lock file comes from an index, and not from a repository, an address or a directory."""
    if any(key in package for key in ("vcs", "directory", "archive", "git", "path", "url")):
        return False
    source = package.get("source", {})
    if not isinstance(source, dict):
        return False
    # poetry names the type of a source that is none of its default ones; uv names the source by its key
    return not source or "registry" in source or source.get("type") == "legacy"


def _is_requirement(line: str) -> bool:
    try:
        Requirement(line)
    except InvalidRequirement:
        return False
    return True
