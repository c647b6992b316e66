"""Wheels of what stands in the target itself: built without a network, for its `setup.py` is a stranger's program.

What a build needs is fetched before, by name, as wheels (PEP 518); what it asks for while it runs (PEP 517,
`get_requires_for_build_wheel`) is fetched when pip misses it, and the build begun again.
"""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from clones.engines import target_files
from clones.engines.contract import EngineError
from clones.engines.environment.pip import CUT_OFF, NoTimeError, pip, reason_of, run
from clones.engines.running import offline

_BACKEND = ("setuptools", "wheel")
"""What builds a project that does not say what does (PEP 517)."""
_MISSES = re.compile(r"Could not find a version that satisfies the requirement (.+?) \(from ")
_OF_THIS_MACHINE = re.compile(rb"^Requires-Dist:[^@\n]*@\s*([a-z]+\+)?file:", re.MULTILINE | re.IGNORECASE)
_MAX_FETCHES = 8
_MAX_METADATA_BYTES = 16 * 1024 * 1024


class NotBuiltError(Exception):
    """There is no wheel; the message says why."""


class Wheels:
    """Builds wheels of what is below `source` with the pip of `python`, until a deadline.

    What is installed with the network, to bring the dependencies along, is `hollow`: a wheel without its content, as that
    may run whenever an interpreter begins (`.pth`). `fill` puts the content in its place at the end, without a network.
    """

    def __init__(
        self, python: Path, source: Path, scratch: Path, *, env: Mapping[str, str], deadline: float, network: bool
    ) -> None:
        """`scratch` is an empty directory; `deadline` is a time of `time.monotonic`; `network` is what builds get."""
        self.is_cut_off = False
        self._python = python
        self._source = source.resolve()
        self._deadline = deadline
        self._network = network
        self._scratch = scratch
        self._needed, home, temporary = (scratch / name for name in ("needed", "home", "tmp"))
        for directory in (self._needed, home, temporary):
            directory.mkdir()
        self._env = dict(env)
        self._inside = {**env, "HOME": str(home), "TMPDIR": str(temporary)}
        self._inside.pop("XDG_CACHE_HOME", None)
        self._whole: list[Path] = []

    def hollow(self, directory: Path) -> Path:
        """Build the project in `directory`, or in an archive, and return its hollow wheel.

        Raises:
            NotBuiltError: it does not build.
        """
        place = self._scratch / str(len(self._whole))
        (place / "hollow").mkdir(parents=True)
        whole = self._wheel(directory, place)
        hollow = _hollow(whole, place / "hollow")
        self._whole.append(whole)
        return hollow

    def in_place_of(self, requirement: str) -> str:
        """Return the requirement, in place of one that names a directory or an archive in the target its hollow wheel.

        Raises:
            NotBuiltError: it does not build, or it names what is outside of the target.
        """
        path, extras = _local(requirement)
        if path is None:
            return requirement
        place = (self._source / path).resolve()
        if not place.is_relative_to(self._source):
            raise NotBuiltError("it is outside of the target")
        # pip tells what is wrong with one that names nothing
        return f"{self.hollow(place)}{extras}" if place.exists() else requirement

    def fill(self) -> str | None:
        """Install the wheels themselves; return why that cannot be."""
        if not self._whole:
            return None
        argv = pip(self._python, "install", "--no-deps", "--no-index", "--force-reinstall", "--no-warn-script-location")
        try:
            said = self._run([*argv, "--", *map(str, self._whole)])
        except NotBuiltError as error:
            return str(error)
        return None if said is None else reason_of(said)

    def _wheel(self, directory: Path, into: Path) -> Path:
        self._fetch(_declared(directory))
        argv = pip(self._python, "wheel", "--no-deps", "--no-index", "--find-links", str(self._needed))
        argv += ["--wheel-dir", str(into), "--", str(directory)]
        said = self._run(argv)
        for _ in range(_MAX_FETCHES):
            missed = _MISSES.search(said or "")
            if missed is None or not self._fetch([missed[1]]):
                break
            said = self._run(argv)
        if said is None:
            return next(into.glob("*.whl"))
        wanted = not self._network and offline.wants_network(said)
        begin = "it wanted a network while it was built, which it was not given: " if wanted else ""
        raise NotBuiltError(begin + reason_of(said))

    def _fetch(self, names: Sequence[str]) -> bool:
        """Fetch wheels of what is named, with the network; returns whether there was any.

        Raises:
            NotBuiltError: they cannot be had.
        """
        wanted = [name for name in names if _is_name(name)]
        if wanted:
            argv = pip(self._python, "wheel", "--prefer-binary", "--wheel-dir", str(self._needed), "--", *wanted)
            said = self._run(argv, fetches=True)
            if said is not None:
                raise NotBuiltError(reason_of(said))
        return bool(wanted)

    def _run(self, argv: list[str], *, fetches: bool = False) -> str | None:
        """Return what pip says where it fails, else None; only what `fetches` runs none of the target's code."""
        env = self._env if fetches else self._inside
        if not (fetches or self._network):
            argv = offline.offline(argv)
        try:
            return run(argv, cwd=self._needed, env=env, deadline=self._deadline)
        except NoTimeError:
            self.is_cut_off = True
            raise NotBuiltError(CUT_OFF) from None
        except EngineError as error:
            raise NotBuiltError(error.message) from None


def _hollow(wheel: Path, into: Path) -> Path:
    """Write a wheel with the name and metadata of `wheel`, and no file beside them (binary distribution format)."""
    try:
        with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(into / wheel.name, "w") as hollow:
            entry = next(name for name in whole.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            directory = entry.rpartition("/")[0]
            record = []
            for name in (entry, f"{directory}/WHEEL"):
                if whole.getinfo(name).file_size > _MAX_METADATA_BYTES:
                    raise NotBuiltError(f"its {name} is larger than {_MAX_METADATA_BYTES} bytes")
                content = whole.read(name)
                if name == entry and _OF_THIS_MACHINE.search(content.partition(b"\n\n")[0]):
                    raise NotBuiltError("it requires what it names by a path of this machine")
                hollow.writestr(name, content)
                record.append(f"{name},,\n")
            hollow.writestr(f"{directory}/RECORD", "".join([*record, f"{directory}/RECORD,,\n"]))
        parse_wheel_filename(wheel.name)
    except (zipfile.BadZipFile, KeyError, StopIteration, InvalidWheelFilename):
        raise NotBuiltError("what it builds is no wheel") from None
    return into / wheel.name


def _declared(directory: Path) -> list[str]:
    system = target_files.toml(directory, "pyproject.toml").get("build-system")
    requires = system.get("requires") if isinstance(system, dict) else None
    if not isinstance(requires, list):
        return list(_BACKEND)
    return [each for each in requires if isinstance(each, str)]


def _is_name(requirement: str) -> bool:
    """Tell whether a requirement names a package of the index, and no address whose program would run with the network."""
    try:
        return Requirement(requirement).url is None
    except InvalidRequirement:
        return False


def _local(requirement: str) -> tuple[str | None, str]:
    """Return the path that a requirement names, and its extras; no path where it names a package or an address."""
    address = requirement
    extras = ""
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        if "://" not in requirement and not requirement.startswith("file:"):
            path, bracket, rest = requirement.partition("[")
            return path.strip(), f"{bracket}{rest}".strip()
    else:
        if parsed.url is None:
            return None, ""
        address = parsed.url
        extras = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
    parts = urlsplit(address)
    if parts.scheme.endswith("+file"):
        return "..", ""  # a repository on this machine is none of the target's
    return (unquote(parts.path), extras) if parts.scheme == "file" else (None, "")
