"""Build the virtual environment of a target."""

import contextlib
import json
import shutil
import site
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from clones.engines import isolation, process
from clones.engines.contract import EngineError, Progress
from clones.engines.environment.declared import DEV_NAMES, TEST_NAMES, Declared
from clones.engines.environment.interpreter import TOOLS, Environment, distributions, importable, probed, site_packages
from clones.engines.environment.pip import Installer, NotInstalled

_VENV_TIMEOUT_S = 180.0


def build(
    directory: Path,
    *,
    python: Path,
    target: Path,
    copy: Path,
    declared: Declared,
    why: str,
    progress: Progress,
    deadline: float,
) -> Environment:
    """Build at `directory`, anew if something stands there, and leave `environment.json` when it is complete.

    `why` says why the interpreter that runs Sanctuary does not serve; `deadline` is a time of `time.monotonic`.

    Raises:
        EngineError: no virtual environment can be made; requirements that do not install are no error.
    """
    begin = time.monotonic()
    env = {**process.minimal_env(), **_version_from_git(target, copy)}
    shutil.rmtree(directory, ignore_errors=True)
    made = process.run([str(python), "-m", "venv", str(directory)], cwd=Path("/"), timeout_s=_VENV_TIMEOUT_S, env=env)
    if made.exit_status != 0:
        said = made.stdout.decode(errors="replace").strip().splitlines()[:1] or ["no message"]
        message = f"cannot make a virtual environment with {python}: {said[0]}; on Debian install python3-venv"
        raise EngineError(message)
    notes: list[str] = [f"not understood: {line}" for line in declared.not_understood]
    inside = directory / "bin" / "python"
    # builds write into the directory that they build from, and pytest might collect what they leave there
    with tempfile.TemporaryDirectory(prefix="sanctuary-build-") as scratch:
        source = isolation.copy_target(copy, Path(scratch)).root
        locked = Path(scratch, "locked.txt")
        locked.write_text("\n".join(declared.locked) + "\n", encoding="utf-8")
        installer = Installer(
            inside, cwd=source, env=env, constraints=[*declared.constraints, str(locked)], deadline=deadline
        )
        notes += _install(installer, source, declared, locked, progress)
        if declared.installable:
            _install_provided_extras(installer, inside, source, declared)
    if not importable(inside, TOOLS):
        notes += _fall_back(inside)
    environment = probed(
        Environment(
            python=str(inside),
            kind="built",
            python_version="",
            declared_in=declared.declared_in,
            why=why,
            missing=tuple(installer.missing),
            notes=tuple(notes),
            own=_own_distribution(inside, declared),
            built_at=time.time(),
            cut_off_s=max(1.0, deadline - begin) if installer.is_cut_off else 0.0,
        )
    )
    scratch_file = directory / "environment.json.partial"
    scratch_file.write_bytes(msgspec.json.encode(environment))
    scratch_file.rename(directory / "environment.json")
    return environment


def _install(installer: Installer, source: Path, declared: Declared, locked: Path, progress: Progress) -> list[str]:
    """Install everything at once, else with other versions than the locked ones, else piece by piece; return notes."""
    extras = f"[{','.join(declared.extras)}]" if declared.extras else ""
    itself = [f"{source}{extras}"] if declared.installable else list(declared.requirements)
    name = declared.name or "the target"
    everything = [*itself, *declared.test_requirements, *TOOLS]
    progress(0.08, f"installing {name} and {len(declared.test_requirements)} test requirements")
    reason = installer.install(everything)
    if reason is None:
        return [f"versions as in {declared.lock_file}"] if declared.locked else []
    notes: list[str] = []
    if declared.locked:
        # no requirement of the target's: the versions may be too old for this Python
        locked.write_text("", encoding="utf-8")
        notes.append(f"the versions in {declared.lock_file} do not install: {reason}")
        progress(0.09, f"installing without the versions in {declared.lock_file}, which do not install")
        if installer.install(everything) is None:
            return notes

    def on_each(requirement: str) -> None:
        progress(0.1, f"installing {requirement.replace(str(source), name)} on its own, as all together failed")

    if declared.installable:
        on_each(name)
        reason = installer.install(itself)
        if reason is not None and extras:
            installer.missing.append(NotInstalled(requirement=f"{name}{extras}", reason=reason))
            reason = installer.install([str(source)])
        if reason is not None:
            installer.missing.append(NotInstalled(requirement=name, reason=reason))
            installer.install_each(declared.requirements, on_each)
    else:
        installer.install_each(itself, on_each)
    if installer.install([*declared.test_requirements, *TOOLS]) is not None:
        # the tools last: a test requirement may bring the version of pytest that the target needs
        installer.install_each([*declared.test_requirements, *TOOLS], on_each)
    return notes


def _install_provided_extras(installer: Installer, python: Path, source: Path, declared: Declared) -> None:
    """Install test extras that only the built metadata names (`setup.py`, dynamic metadata)."""
    own = _own_distribution(python, declared)
    if own is None:
        return
    found = next(iter(distributions(python, own)), None)
    provided = [canonicalize_name(extra) for extra in (found.metadata.get_all("Provides-Extra") or [])] if found else []
    wanted = [extra for extra in provided if extra in TEST_NAMES and extra not in declared.extras]
    if not wanted and not declared.declared_in:
        wanted = [extra for extra in provided if extra in DEV_NAMES]
    if wanted:
        reason = installer.install([f"{source}[{','.join(wanted)}]"])
        if reason is not None:
            installer.missing.append(NotInstalled(requirement=f"{own}[{','.join(wanted)}]", reason=reason))


def _fall_back(python: Path) -> list[str]:
    """Let an environment without its tools see the packages that Sanctuary is installed with, after its own."""
    packages = site_packages(python)
    if packages is None or packages.parent.name != f"python{sys.version_info[0]}.{sys.version_info[1]}":
        return []
    lines = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "zz_sanctuary_fallback.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["packages that did not install are taken from where Sanctuary is installed, if they are there"]


def _own_distribution(python: Path, declared: Declared) -> str | None:
    """Return the name under which the target is installed; where none is declared, pip's record of what it built."""
    if not declared.installable:
        return None
    if declared.name is not None:
        return declared.name if distributions(python, declared.name) else None
    packages = site_packages(python)
    for record in sorted(packages.glob("*.dist-info/direct_url.json")) if packages else []:
        with contextlib.suppress(ValueError, AttributeError):
            if json.loads(record.read_text(encoding="utf-8")).get("url", "").startswith("file:"):
                return canonicalize_name(record.parent.name.removesuffix(".dist-info").rpartition("-")[0])
    return None


def _version_from_git(target: Path, copy: Path) -> Mapping[str, str]:
    """Tell builds that take their version from git, which the copy lacks, the last tag's."""
    declaration = copy / "pyproject.toml"
    text = declaration.read_text(encoding="utf-8", errors="replace") if declaration.is_file() else ""
    if not any(
        tool in text for tool in ("setuptools_scm", "setuptools-scm", "hatch-vcs", "pdm-backend", "versioningit")
    ):
        return {}
    if (copy / "PKG-INFO").is_file():  # a source distribution: the version stands in it
        return {}
    version = (isolation.git_tag(target) or "0").lstrip("v").rpartition("/")[2]
    return {"SETUPTOOLS_SCM_PRETEND_VERSION": version, "PDM_BUILD_SCM_VERSION": version}
