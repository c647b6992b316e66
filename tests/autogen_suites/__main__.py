"""`python -m tests.autogen_suites [PYTEST OPTION...]`: fetches the suites and runs them in both arrangements."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from bus.server import EmbeddedServer, ServerOptions
from tests.autogen_suites.fetch import SUITES, fetch

_ROOT = Path(__file__).parents[2]
_TARGET = _ROOT / ".autogen-suites"
# AutoGen's tests of workers have connections of their own in any case.
_ARRANGEMENTS = {
    "AutoGen's tests, our runtime in place": (("core", "chat", "ext"), ()),
    "The same with the traffic from another connection": (("core", "chat"), ("--pair",)),
}


async def _run(options: list[str]) -> int:
    worst = 0
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory) / "store"
        async with EmbeddedServer(ServerOptions(store=store, port=-1)) as server:
            for title, (suites, more) in _ARRANGEMENTS.items():
                print(f"\n{title}", flush=True)  # noqa: T201  what the command says
                files = [f"{suite}/{name}" for suite in suites for name in SUITES[suite]]
                command = ["-m", "pytest", "-q", "-c", str(Path(__file__).parent / "pytest.ini"), "--rootdir", "."]
                command += ["-p", "tests.autogen_suites.plugin", "--network", str(store), *more, *options, *files]
                # The tests write logs to where they run.
                process = await asyncio.create_subprocess_exec(
                    sys.executable, *command, cwd=_TARGET, env={**os.environ, "PYTHONPATH": str(_ROOT)}
                )
                worst = max(worst, await process.wait())
            await server.kill()
    return worst


if __name__ == "__main__":
    fetch(_TARGET)
    sys.exit(asyncio.run(_run(sys.argv[1:])))
