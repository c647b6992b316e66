"""Every exception that a daemon should not have raised becomes an ErrorEscalation in the ledger."""

import asyncio
import logging
import traceback
from datetime import UTC, datetime

from bus.errors import SanctuaryError
from bus.identity import Identity
from bus.jetstream import publish
from bus.network import Network
from bus.observer import Observer
from bus.task import printable
from schemas import ErrorCode, ErrorEscalation, Severity, encode

TRACEBACK_CHARS = 8000

log = logging.getLogger(__name__)


class Escalations(Observer):
    """Hears of what a worker's handlers raise, and stores it."""

    def __init__(self, network: Network, identity: Identity) -> None:
        self._network = network
        self._identity = identity
        self._on_the_way: set[asyncio.Task[None]] = set()

    def crashed(
        self,
        task_type: str,
        task_id: str | None,
        error: BaseException,
        *,
        severity: Severity = "high",
        reply_to: str | None = None,
    ) -> None:
        """As in Observer."""
        log.error("a handler of %s raised", task_type, exc_info=error)
        self.raise_(error, severity="high", task_type=task_type, task_id=task_id)

    def raise_(
        self, error: BaseException, *, severity: Severity, task_type: str | None = None, task_id: str | None = None
    ) -> None:
        """Store an escalation over `error` in the background; one that cannot be stored is in the log."""
        escalation = ErrorEscalation(
            severity=severity,
            clone=self._identity.clone,
            instance=self._identity.instance,
            code=ErrorCode.HANDLER_FAILED,
            message=printable(f"{type(error).__name__}: {error}"),
            at=datetime.now(UTC),
            task_id=task_id,
            task_type=task_type,
            traceback=printable("".join(traceback.format_exception(error))[-TRACEBACK_CHARS:]),
        )
        task = asyncio.create_task(self._store(escalation))
        self._on_the_way.add(task)
        task.add_done_callback(self._on_the_way.discard)

    async def close(self) -> None:
        """Wait for those that are on their way."""
        await asyncio.gather(*self._on_the_way, return_exceptions=True)

    async def _store(self, escalation: ErrorEscalation) -> None:
        subject = self._network.subjects.escalation(escalation.severity, escalation.clone)
        try:
            await publish(self._network.requester, subject, encode(escalation))
        except SanctuaryError as error:
            log.warning("an escalation was not stored: %s", error)
