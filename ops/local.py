"""A whole network on this machine: the server unless one is named, Omega, the four clones and the notary, each a process."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bus.errors import SanctuaryError
from bus.identity import OMEGA, Identity
from bus.network import Network
from bus.server import EmbeddedServer, ServerOptions
from bus.server_config import NOTARY, Durability
from clones.escalation import Escalations
from clones.routing import DEFAULT_TABLE, types_by_clone
from ops.connect import Where
from ops.logs import LogFormat
from ops.proofs.notary import CANNOT_SIGN
from ops.rights import keep_rights
from ops.status import ask
from ops.supervisor import Supervisor

READY_WITHIN_S = 60.0
MAX_FIRST_DEATHS = 3
"""A daemon that dies this often before it was ready once does so for a reason that waiting does not mend."""
LEDGER_SHARE = 0.5
"""The part of what JetStream may store that the ledger may fill: the intake closes long before the disk does."""
HEALTH_EVERY_S = 2.0
SILENT_CHECKS = 4
"""So many health checks without an answer, one after the other, mean a frozen server; a busy disk may cost one or two."""
RESTART_PAUSE_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """What to run."""

    where: Where
    workspace: Path
    roots: tuple[Path, ...]
    port: int
    durability: Durability
    concurrency: int | None
    metrics_port: int | None
    """The first of consecutive ports, Omega's; 0 takes free ones, None serves no metrics."""
    drain_s: float
    model: Path | None = None
    """The configuration of the clones' language model."""
    verbose: bool = False
    log_format: LogFormat | None = None
    """Of the daemons' logs; None: by where they go."""
    log_directory: Path | None = None
    """Where each daemon's log goes; None: to this process's standard error."""


@dataclass(frozen=True, slots=True)
class LocalNetwork:
    """A network that runs."""

    where: Where
    url: str
    server: EmbeddedServer | None
    """None where a server was named."""


@asynccontextmanager
async def local_network(options: LocalOptions, say: Callable[[str], None]) -> AsyncIterator[LocalNetwork]:
    """Run the network while this is open; `say` hears in words what is being started.

    Raises:
        SanctuaryError: the server cannot run or be reached, or a daemon does not come up.
    """
    async with AsyncExitStack() as stack:
        where = options.where
        named = where.named()
        server = None
        if named is None:
            say("starting nats-server")
            server = EmbeddedServer(
                ServerOptions(
                    store=where.store,
                    clones=types_by_clone(DEFAULT_TABLE),
                    realm=where.realm,
                    port=options.port,
                    durability=options.durability,
                )
            )
            await stack.enter_async_context(server)
            watch = asyncio.create_task(_keep_server(server))
            stack.callback(watch.cancel)
        else:
            say(f"using {named.where}; no server is started")
        # Reached before any daemon is started: those would wait for a server that was misspelt for ever.
        network = await stack.enter_async_context(where.open("up"))
        if server is not None:
            stack.callback(asyncio.create_task(keep_rights(network, server)).cancel)
        escalations = Escalations(network, Identity("supervisor"))
        stack.push_async_callback(escalations.close)
        supervisor = Supervisor(options.drain_s, os.environ, options.log_directory, escalations.died)
        stack.push_async_callback(supervisor.stop)
        names = (OMEGA, *types_by_clone(DEFAULT_TABLE))
        for number, name in enumerate(names):
            # Omega hears the others go, and so knows that they are not missed.
            supervisor.add(name, _argv(name, number, options, server), ends_last=name == OMEGA)
        supervisor.add(NOTARY, _argv(NOTARY, len(names), options, server), final_status=CANNOT_SIGN)
        say(f"starting {', '.join(names)} and the {NOTARY}")
        await _until_ready(network, names, supervisor, options.log_directory)
        yield LocalNetwork(where, server.url if server else ", ".join(named.servers if named else ()), server)


def _argv(name: str, number: int, options: LocalOptions, server: EmbeddedServer | None) -> list[str]:
    """Return the command line of one daemon."""
    where = options.where
    argv = [sys.executable, "-P", "-m", "ops.cli", *([name] if name in (OMEGA, NOTARY) else ["clone", name])]
    argv += ["--store", str(where.store.absolute()), "--realm", where.realm]
    if where.server is not None:
        argv += ["--server", where.server]
    if where.context is not None:
        argv += ["--context", where.context]
    if name not in (OMEGA, NOTARY):
        argv += ["--workspace", str(options.workspace), "--drain", str(options.drain_s)]
        for root in options.roots:
            argv += ["--root", str(root)]
        if options.concurrency is not None:
            argv += ["--concurrency", str(options.concurrency)]
        if options.model is not None:
            argv += ["--model", str(options.model)]
    if options.metrics_port is not None:
        argv += ["--metrics-port", str(options.metrics_port + number if options.metrics_port else 0)]
    if name == OMEGA and server is not None:
        argv += ["--ledger-max-bytes", str(int(server.max_file_bytes * LEDGER_SHARE))]
    if options.log_format is not None:
        argv += ["--log", options.log_format]
    return [*argv, "--verbose"] if options.verbose else argv


async def _until_ready(
    network: Network, names: tuple[str, ...], supervisor: Supervisor, log_directory: Path | None
) -> None:
    missing = set(names)
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    while missing:
        missing = set(names) - {answer.clone for answer in await ask(network) if answer.state == "ready"}
        dying = sorted(name for name in missing if supervisor.children[name].failures_in_row >= MAX_FIRST_DEATHS)
        if dying:
            told = "above" if log_directory is None else f"in {log_directory}"
            raise SanctuaryError(f"{', '.join(dying)} died {MAX_FIRST_DEATHS} times in a row: the log {told} says why")
        if missing and asyncio.get_running_loop().time() > deadline:
            raise SanctuaryError(f"{', '.join(sorted(missing))} did not get ready within {READY_WITHIN_S:g} s")


async def _keep_server(server: EmbeddedServer) -> None:
    """Start the server again when it dies, when it is frozen, or when a full disk has disabled JetStream, which only a restart mends."""
    while True:
        ended = asyncio.create_task(server.wait())
        silent = 0
        while not ended.done():
            await asyncio.wait((ended,), timeout=HEALTH_EVERY_S)
            if ended.done():
                continue
            health = await server.health()
            silent = 0 if health.answered else silent + 1
            if silent == SILENT_CHECKS or (health.answered and not health.ok):
                log.error("nats-server is not well: %s; restarting it", health.detail)
                break
        else:
            log.error("nats-server ended with status %d; starting it again", ended.result())
        try:
            await server.restart()
        except (SanctuaryError, OSError) as error:  # a full disk refuses the server's configuration too
            log.error("nats-server cannot be started: %s", error)
            await asyncio.sleep(RESTART_PAUSE_S)
        ended.cancel()
