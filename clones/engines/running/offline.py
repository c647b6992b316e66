"""Run a target's code without a network, where the machine allows that."""

import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from clones.engines import process
from clones.engines.contract import EngineError, NotAnalysed

_EXEC = Path(__file__).parent / "offline_exec.py"
_TIMEOUT_S = 30.0
_WANTS_NETWORK = re.compile(
    r"gaierror|[Nn]ame or service not known|[Tt]emporary failure in name resolution|[Nn]etwork is unreachable"
)


def offline(argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` in a network of its own, with loopback, or as it is where there can be none."""
    return list(argv) if why_not() else [*_command(), *argv]


@cache
def why_not() -> str:
    """Return why this machine keeps programs in its network; empty where it does not."""
    if not sys.platform.startswith("linux"):
        return "a network of its own can be had on Linux only"
    try:
        done = process.run([*_command(), sys.executable, "-I", "-S", "-c", ""], cwd=Path("/"), timeout_s=_TIMEOUT_S)
    except EngineError as error:
        return error.message
    return done.stderr.decode(errors="replace").strip()[-300:] if done.exit_status != 0 else ""


def notes(*, network: bool, messages: Sequence[str] = ()) -> list[NotAnalysed]:
    """Return what a report has to say of the network; `messages` are those of failures."""
    if network:
        return []
    if problem := why_not():
        reason = f"the tests could reach the network, for this machine does not let us keep them from it: {problem}"
        return [NotAnalysed(subject="network", reason=reason)]
    wanted = sum(map(wants_network, messages))
    if not wanted:
        return []
    reason = (
        f"{wanted} failures look as if the test wanted a network, which it was not given; set `network` to give it one"
    )
    return [NotAnalysed(subject="tests of the network", reason=reason)]


def wants_network(message: str) -> bool:
    """Tell whether a failure looks as if a network was missing."""
    return _WANTS_NETWORK.search(message) is not None


def _command() -> list[str]:
    return [sys.executable, "-I", "-S", str(_EXEC)]
