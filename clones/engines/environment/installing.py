"""Install what a target declares: all at once, else without the locked versions, else piece by piece."""

from collections.abc import Callable, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from clones.engines.contract import Progress
from clones.engines.environment.declared import DEV_NAMES, TEST_NAMES, Declared, extra_requirements
from clones.engines.environment.interpreter import TOOLS, distributions
from clones.engines.environment.pip import Installer, NotInstalled
from clones.engines.environment.wheels import NotBuiltError, Wheels


def install(
    installer: Installer, wheels: Wheels, *, source: Path, declared: Declared, locked: Path, progress: Progress
) -> tuple[list[str], str | None]:
    """Install the target in `source` and what it declares; return notes, and the name under which it is installed.

    `locked` is a constraint file with the locked versions. What does not install is in `installer.missing`.
    """
    name = declared.name or "the target"
    extras = f"[{','.join(declared.extras)}]" if declared.extras else ""
    wheel = None
    if declared.installable:
        progress(0.06, f"building {name}")
        try:
            wheel = wheels.hollow(source)
        except NotBuiltError as error:
            installer.missing.append(NotInstalled(requirement=name, reason=str(error)))
    own = [*declared.requirements, *(extra_requirements(source, declared.extras) if declared.installable else ())]
    itself = [f"{wheel}{extras}"] if wheel is not None else _with_wheels(own, wheels, installer)
    wanted = [*_with_wheels(declared.test_requirements, wheels, installer), *TOOLS]
    progress(0.08, f"installing {name} and {len(declared.test_requirements)} test requirements")
    reason = installer.install([*itself, *wanted])
    notes: list[str] = []
    if reason is None:
        notes += [f"versions as in {declared.lock_file}"] if declared.locked else []
    elif declared.locked:
        # no requirement of the target's: the versions may be too old for this Python
        locked.write_text("", encoding="utf-8")
        notes.append(f"the versions in {declared.lock_file} do not install: {reason}")
        progress(0.09, f"installing without the versions in {declared.lock_file}, which do not install")
        reason = installer.install([*itself, *wanted])

    def on_each(requirement: str) -> None:
        progress(0.1, f"installing {requirement} on its own, as all together failed")

    if reason is not None:
        if wheel is not None:
            alone = _with_wheels(declared.requirements, wheels, installer)
            _install_itself(installer, name, wheel, extras=extras, alone=alone, on_each=on_each)
        else:
            installer.install_each(itself, on_each)
        if installer.install(wanted) is not None:
            # the tools last: a test requirement may bring the version of pytest that the target needs
            installer.install_each(wanted, on_each)
    distribution = _installed(installer.python, wheel, declared, installer) if wheel is not None else None
    if (problem := wheels.fill()) is not None:
        installer.missing.append(NotInstalled(requirement=name, reason=problem))
    return notes, distribution


def _with_wheels(requirements: Sequence[str], wheels: Wheels, installer: Installer) -> list[str]:
    """Return requirements with what stands in the target itself built; what does not build is missing."""
    found = []
    for requirement in requirements:
        try:
            found.append(wheels.in_place_of(requirement))
        except NotBuiltError as error:
            installer.missing.append(NotInstalled(requirement=requirement, reason=str(error)))
    return found


def _install_itself(
    installer: Installer, name: str, wheel: Path, *, extras: str, alone: Sequence[str], on_each: Callable[[str], None]
) -> None:
    """Install the target's wheel with its extras, else without them, else `alone`: what it needs, without it."""
    on_each(name)
    reason = installer.install([f"{wheel}{extras}"])
    if reason is not None and extras:
        installer.missing.append(NotInstalled(requirement=f"{name}{extras}", reason=reason))
        reason = installer.install([str(wheel)])
    if reason is not None:
        installer.missing.append(NotInstalled(requirement=name, reason=reason))
        installer.install_each(alone, on_each)


def _installed(python: Path, wheel: Path, declared: Declared, installer: Installer) -> str | None:
    """Return the target's distribution where it is installed, then with test extras that only its wheel names."""
    own = str(parse_wheel_filename(wheel.name)[0])
    found = next(iter(distributions(python, own)), None)
    if found is None:
        return None
    provided = [canonicalize_name(extra) for extra in found.metadata.get_all("Provides-Extra") or []]
    wanted = [extra for extra in provided if extra in TEST_NAMES and extra not in declared.extras]
    if not wanted and not declared.declared_in:
        wanted = [extra for extra in provided if extra in DEV_NAMES]
    if wanted:
        reason = installer.install([f"{wheel}[{','.join(wanted)}]"])
        if reason is not None:
            installer.missing.append(NotInstalled(requirement=f"{own}[{','.join(wanted)}]", reason=reason))
    return own
