"""Every exception that a daemon should not have raised becomes an ErrorEscalation in the ledger."""

import asyncio
import logging
from datetime import UTC, datetime

from nats.errors import Error as NatsError

from bus.errors import SanctuaryError
from bus.escalations import escalate, last_lines
from bus.identity import Identity
from bus.network import Network
from bus.observer import Crash, Observer
from bus.subjects import ESCALATION_TYPE
from bus.task import printable
from schemas import ErrorCode, ErrorEscalation, Severity

REPEAT_S = 60.0
"""What is raised beside tasks, in the same words again within this time, is in the log only: it may be raised a thousand times a second."""
MOST_WORDS = 1000
"""So many different words are remembered for that; with so many, what is raised in others is in the log only."""

log = logging.getLogger(__name__)


class Escalations(Observer):
    """Hears of what a worker's handlers raise, and the network's handlers of messages, and stores it."""

    def __init__(self, network: Network, identity: Identity) -> None:
        self._network = network
        self._identity = identity
        self._on_the_way: set[asyncio.Task[None]] = set()
        self._said_at: dict[str, float] = {}
        self._forget = network.on_defect(lambda error: self.raise_(error, severity="high"))

    def crashed(self, crash: Crash) -> None:
        """As in Observer."""
        log.error("a handler of %s raised", crash.task_type, exc_info=crash.error)
        if crash.task_type == ESCALATION_TYPE:
            # Told as another escalation, it would meet what raised this, and so on without end.
            return
        if crash.parks:
            # Escalated by who parks it.
            return
        escalation = self._over(
            crash.error, crash.severity, ErrorCode.HANDLER_FAILED, task_type=crash.task_type, task_id=crash.task_id
        )
        self._send(escalation, crash.reply_to)

    def raise_(self, error: BaseException, *, severity: Severity) -> None:
        """Store an escalation over what no task raised in the background; one that cannot be stored is in the log."""
        self._send_news(self._over(error, severity, ErrorCode.DAEMON_FAILED))

    def died(self, clone: str, how: str) -> None:
        """Store in the same way that a daemon of `clone`, which this process keeps running, ended by itself; `how` in words."""
        self._send_news(
            ErrorEscalation(
                severity="high",
                clone=clone,
                instance=self._identity.instance,
                code=ErrorCode.DAEMON_FAILED,
                message=printable(f"{clone} {how}; it is started again, and its log says why"),
                at=datetime.now(UTC),
            )
        )

    def _send_news(self, escalation: ErrorEscalation) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at.get(escalation.message, -REPEAT_S) < REPEAT_S:
            return
        if len(self._said_at) >= MOST_WORDS:
            self._said_at = {words: at for words, at in self._said_at.items() if now - at < REPEAT_S}
        if len(self._said_at) >= MOST_WORDS:
            log.warning(
                "an escalation was not stored, after %d others within a minute: %s", MOST_WORDS, escalation.message
            )
            return
        self._said_at[escalation.message] = now
        self._send(escalation, None)

    async def close(self) -> None:
        """Wait for those that are on their way."""
        self._forget()
        await asyncio.gather(*self._on_the_way, return_exceptions=True)

    def _over(
        self,
        error: BaseException,
        severity: Severity,
        code: str,
        *,
        task_type: str | None = None,
        task_id: str | None = None,
    ) -> ErrorEscalation:
        return ErrorEscalation(
            severity=severity,
            clone=self._identity.clone,
            instance=self._identity.instance,
            code=code,
            message=printable(f"{type(error).__name__}: {error}"),
            at=datetime.now(UTC),
            task_id=task_id,
            task_type=task_type,
            traceback=last_lines(error),
        )

    def _send(self, escalation: ErrorEscalation, reply_to: str | None) -> None:
        task = asyncio.create_task(self._store(escalation, reply_to))
        self._on_the_way.add(task)
        task.add_done_callback(self._on_the_way.discard)

    async def _store(self, escalation: ErrorEscalation, reply_to: str | None) -> None:
        try:
            await escalate(self._network, escalation, reply_to=reply_to)
        except (SanctuaryError, NatsError) as error:
            log.warning("an escalation was not stored: %s", error)
