"""Install with pip into a virtual environment: all at once, or piece by piece where that fails."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError

_ERROR = re.compile(r"^(?:ERROR|error):\s*(?P<message>.+)$", re.MULTILINE)
_OUTPUT = re.compile(r"\[\d+ lines? of output\]\n(?P<output>.*?)\n\s*\[end of output\]", re.DOTALL)
_COMPILER_ERROR = re.compile(r"\S:\d+(?::\d+)?: (?:fatal )?error: ")
LEAST_S = 5.0
"""With less time left, pip is not begun."""
CUT_OFF = "the time for installing was used up"


class NoTimeError(Exception):
    """The time was used up before pip had ended."""


class NotInstalled(msgspec.Struct, frozen=True, kw_only=True):
    """A requirement that the environment lacks, and pip's word on why."""

    requirement: str
    reason: str


class Installer:
    """Runs the pip of one environment until a deadline; what did not install gathers in `missing`."""

    def __init__(
        self, python: Path, *, cwd: Path, env: Mapping[str, str], constraints: Sequence[str], deadline: float
    ) -> None:
        self.missing: list[NotInstalled] = []
        self.is_cut_off = False
        """Whether something did not install as the time was used up."""
        self.python = python
        self._cwd = cwd
        self._env = dict(env)
        self._constraints = [part for path in constraints for part in ("-c", path)]
        self._deadline = deadline

    def install(self, requirements: Sequence[str]) -> str | None:
        """Install all of `requirements` or none; return pip's reason where it refuses."""
        if not requirements:
            return None
        argv = pip(self.python, "install", "--prefer-binary", "--no-warn-script-location")
        argv += [*self._constraints, "--", *requirements]  # none is an option
        try:
            said = run(argv, cwd=self._cwd, env=self._env, deadline=self._deadline)
        except NoTimeError:
            self.is_cut_off = True
            return CUT_OFF
        except EngineError as error:
            return error.message
        return None if said is None else reason_of(said)

    def install_each(self, requirements: Sequence[str], on_each: Callable[[str], None]) -> None:
        """Install one by one what can be; the others go to `missing`."""
        for requirement in requirements:
            on_each(requirement)
            reason = self.install([requirement])
            if reason is not None:
                shown = requirement.rpartition("/")[2] if requirement.startswith("/") else requirement
                self.missing.append(NotInstalled(requirement=shown, reason=reason))


def pip(python: Path, command: str, *options: str) -> list[str]:
    """Return how a command of the pip of `python` begins."""
    asks_nobody = ("--no-input", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20")
    return [str(python), "-m", "pip", command, *asks_nobody, *options]


def run(argv: list[str], *, cwd: Path, env: Mapping[str, str], deadline: float) -> str | None:
    """Run what `pip` returned; return what it says where it fails, else None. `deadline` is a time of `time.monotonic`.

    Raises:
        NoTimeError: the time was used up.
        EngineError: it cannot be run.
    """
    left_s = deadline - time.monotonic()
    if left_s < LEAST_S:
        raise NoTimeError
    try:
        done = process.run(argv, cwd=cwd, timeout_s=left_s, env=env)
    except process.StoppedError:
        raise NoTimeError from None
    return None if done.exit_status == 0 else done.stderr.decode(errors="replace")


def reason_of(stderr: str) -> str:
    """Return the sentence in pip's error output that says why, at most 300 characters."""
    if re.search(r"Failed to establish a new connection|Temporary failure in name resolution|ConnectTimeout", stderr):
        return "the package index cannot be reached from this machine"
    if built := _OUTPUT.search(stderr):
        return f"it does not build: {_of_builder(built['output'])}"[:300]
    found = [match["message"] for match in _ERROR.finditer(stderr)]
    specific = [message for message in found if not message.startswith(("subprocess-exited", "metadata-gen"))]
    text = (specific or found or stderr.strip().splitlines() or ["pip said nothing"])[-1]
    return text.strip()[:300]


def _of_builder(output: str) -> str:
    """Return what a build says of why it failed: a compiler's first error, else the last line, as of a traceback."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    of_compiler = (line for line in lines if _COMPILER_ERROR.search(line))
    return next(of_compiler, lines[-1] if lines else "it said nothing")
