"""Build the virtual environment of a target."""

import shutil
import site
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clones.engines import isolation, process
from clones.engines.contract import EngineError, Progress
from clones.engines.environment.declared import Declared
from clones.engines.environment.installing import install
from clones.engines.environment.interpreter import TOOLS, Environment, importable, probed, site_packages
from clones.engines.environment.pip import Installer
from clones.engines.environment.wheels import Wheels

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
    network: bool,
) -> Environment:
    """Build at `directory`, anew if something stands there, and leave `environment.json` when it is complete.

    `why` says why the interpreter that runs Sanctuary does not serve; `deadline` is a time of `time.monotonic`; `network`
    is what the target's own build gets.

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
    with tempfile.TemporaryDirectory(prefix="sanctuary-build-") as scratch_name:
        scratch = Path(scratch_name)
        source = isolation.copy_target(copy, scratch / "source").root
        elsewhere = scratch / "elsewhere"  # where no path of a requirement leads into the target
        for place in (scratch / "wheels", elsewhere):
            place.mkdir()
        locked = scratch / "locked.txt"
        locked.write_text("\n".join(declared.locked) + "\n", encoding="utf-8")
        constraints = [str(source / path) for path in declared.constraints]
        installer = Installer(
            inside, cwd=elsewhere, env=env, constraints=[*constraints, str(locked)], deadline=deadline
        )
        wheels = Wheels(inside, source, scratch / "wheels", env=env, deadline=deadline, network=network)
        found, own = install(installer, wheels, source=source, declared=declared, locked=locked, progress=progress)
        notes += found
        is_cut_off = installer.is_cut_off or wheels.is_cut_off
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
            own=own,
            built_at=time.time(),
            cut_off_s=max(1.0, deadline - begin) if is_cut_off else 0.0,
        )
    )
    scratch_file = directory / "environment.json.partial"
    scratch_file.write_bytes(msgspec.json.encode(environment))
    scratch_file.rename(directory / "environment.json")
    return environment


def _fall_back(python: Path) -> list[str]:
    """Let an environment without its tools see the packages that Sanctuary is installed with, after its own."""
    packages = site_packages(python)
    if packages is None or packages.parent.name != f"python{sys.version_info[0]}.{sys.version_info[1]}":
        return []
    lines = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "zz_sanctuary_fallback.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["packages that did not install are taken from where Sanctuary is installed, if they are there"]


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
