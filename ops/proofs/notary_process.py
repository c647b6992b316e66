"""The notary as a process: its connection, its metrics, the signals that stop it, and what it tells where it must stop by itself."""

import asyncio
import logging
import signal
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bus.identity import Identity
from bus.network import Network, open_network
from bus.server_config import NOTARY
from clones.escalation import Escalations
from ops.connect import Where
from ops.metrics import Metrics
from ops.proofs.notary import Notary
from ops.proofs.notary_files import NotaryFiles
from ops.proofs.reading import CannotSign

END_WITHIN_S = 5.0
"""What signing once more may take when the process is told to stop."""

log = logging.getLogger(__name__)


async def run_notary(
    where: Where, directory: Path, archive: Path | None, *, every_s: float, metrics_port: int | None
) -> None:
    """Sign the ledger, archived in `archive`, until SIGTERM or SIGINT; `metrics_port` 0 takes a free one, None serves none.

    Raises:
        CannotSign: the ledger is not what was signed of it, or what is to be signed is not at hand; that was escalated.
        ConfigurationError: the key or the directory cannot be used.
        ConnectionFailed, AuthorizationFailed: as of `open_network`.
        OSError: the directory cannot be written to.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    working = asyncio.create_task(_work(where, directory, archive, stop, every_s=every_s, metrics_port=metrics_port))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    try:
        async with asyncio.timeout(None if working.done() else END_WITHIN_S):
            await working
    except TimeoutError:
        log.warning("the last checkpoint was not stored in time; it is stored at the next start")


async def _work(
    where: Where,
    directory: Path,
    archive: Path | None,
    stop: asyncio.Event,
    *,
    every_s: float,
    metrics_port: int | None,
) -> None:
    files = NotaryFiles(directory, where.store, where.realm)
    try:
        await asyncio.to_thread(files.open)
        identity = Identity(NOTARY)
        async with open_network(where.settings(NOTARY), where.subjects, name=identity.instance) as network:
            notary = Notary(network, files, every_s=every_s, archive=archive)
            metrics = Metrics(identity, network)
            metrics.add(_NotaryMetrics(notary))
            with metrics.served(metrics_port) as url:
                log.info(
                    "signing %s from entry %d on, as %s%s",
                    network.subjects.ledger,
                    files.signed_size + 1,
                    files.public,
                    f"; metrics at {url}" if url else "",
                )
                await _sign(notary, network, identity, stop)
    finally:
        files.close()


async def _sign(notary: Notary, network: Network, identity: Identity, stop: asyncio.Event) -> None:
    try:
        await notary.run(stop)
    except CannotSign as error:
        escalations = Escalations(network, identity)
        escalations.raise_(error, severity="critical")
        await escalations.close()
        raise


class _NotaryMetrics(Collector):
    """How far the notary is, looked up when somebody scrapes."""

    def __init__(self, notary: Notary) -> None:
        self._notary = notary

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Return the present values."""
        progress = self._notary.progress
        text = "Up to which entry the ledger is signed."
        yield GaugeMetricFamily("sanctuary_notary_signed_sequence", text, value=progress.signed)
        text = "Entries of the ledger that no checkpoint covers yet; the last checkpoint is always one of them."
        yield GaugeMetricFamily("sanctuary_notary_lag_entries", text, value=max(0, progress.last - progress.signed))
        text = "Checkpoints that this process has signed."
        yield CounterMetricFamily("sanctuary_notary_checkpoints", text, value=progress.checkpoints)
