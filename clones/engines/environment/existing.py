"""Whether the interpreter that runs Sanctuary already has what a target needs, so that nothing has to be installed."""

import importlib.metadata
import json
import platform
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from clones.engines.environment.declared import Declared, extra_requirements


def what_is_lacking(target: Path, declared: Declared) -> list[str]:
    """Return why this interpreter does not serve `target`; nothing means that it does.

    An installable target must be installed here from its own directory, because its tests may read its metadata or
    entry points; dependencies of dependencies are taken for granted, as pip saw to them.
    """
    lacking: list[str] = []
    if not python_satisfies(declared.requires_python, platform.python_version()):
        lacking.append(f"python {declared.requires_python}")
    if declared.installable and not _installed_from(declared.name, target):
        lacking.append(declared.name or "the target itself")
    if lacking:
        return lacking
    own = importlib.metadata.requires(declared.name) or [] if declared.name else []
    wanted = [*declared.requirements, *declared.test_requirements, *extra_requirements(target, declared.extras)]
    wanted += [line for line in own if "extra ==" not in line]
    return list(unsatisfied(wanted))


def python_satisfies(requires_python: str, version: str) -> bool:
    """Say whether `version` of Python is one that the target allows; a specifier that makes no sense allows all."""
    try:
        return SpecifierSet(requires_python).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def unsatisfied(lines: Iterable[str]) -> Iterable[str]:
    """Yield the requirements that no package installed here fulfils; paths and addresses never count as fulfilled."""
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            yield line
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield line
            continue
        if requirement.url is not None or not requirement.specifier.contains(version, prereleases=True):
            yield line


def _installed_from(name: str | None, target: Path) -> bool:
    """Say whether distribution `name` is installed here from `target`, as PEP 610's `direct_url.json` records."""
    if name is None:
        return False
    try:
        text = importlib.metadata.distribution(name).read_text("direct_url.json")
        url = json.loads(text or "{}").get("url", "")
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return False
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == "file" and Path(urllib.parse.unquote(parts.path)).resolve() == target.resolve()
