"""What a clone can do, and what of it the routing table has it do."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from bus.errors import SanctuaryError
from bus.escalations import escalate
from bus.identity import Identity
from bus.network import Network
from bus.subjects import Subjects
from bus.task import Service
from clones.engine_handler import Handlers
from clones.routing import service, types_of
from schemas import ErrorCode, ErrorEscalation, RoutingTable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """A clone with all that it can do, as the primary or in another's place."""

    clone: str
    handlers: Handlers
    subjects: Subjects

    def services(self, table: RoutingTable) -> tuple[Service, ...]:
        """Return what a worker serves under this table."""
        return tuple(
            service(table, task_type, self.clone, self.handlers[task_type], self.subjects)
            for task_type in types_of(table, self.clone)
            if task_type in self.handlers
        )

    def lacking(self, table: RoutingTable) -> tuple[str, ...]:
        """Return the task types that the table gives to this clone and that it cannot do."""
        return tuple(task_type for task_type in types_of(table, self.clone) if task_type not in self.handlers)


async def tell_lacking(network: Network, identity: Identity, task_type: str, revision: int) -> None:
    """Escalate that the routing table gives this clone a type that it cannot do; best effort."""
    message = (
        f"routing table {revision} gives {task_type} to {identity.clone}, which has no handler for it; "
        f"its tasks wait until another clone has it (sanctuary routes check)"
    )
    log.error("%s", message)
    escalation = ErrorEscalation(
        severity="high",
        clone=identity.clone,
        instance=identity.instance,
        code=ErrorCode.INCOMPATIBLE_TASK,
        message=message,
        at=datetime.now(UTC),
        task_type=task_type,
    )
    try:
        await escalate(network, escalation, reply_to=None)
    except SanctuaryError as error:
        log.warning("an escalation was not stored: %s", error)
