"""What an instance answers that is asked for its status."""

from datetime import UTC, datetime
from typing import Any

from schemas import StatusResponse

NOW = datetime.now(UTC)


def status_of(clone: str, **fields: Any) -> StatusResponse:
    """The first instance of `clone`: ready, idle and with no types, but for what `fields` say."""
    told: dict[str, Any] = {
        "instance": f"{clone}-1",
        "state": "ready",
        "version": "1",
        "host": "h",
        "pid": 1,
        "started_at": NOW,
        "uptime_s": 1.0,
        "task_types": (),
        "in_flight": 0,
        "capacity": 1,
        "succeeded": 0,
        "failed": 0,
        "reconnects": 0,
    }
    return StatusResponse(clone=clone, **(told | fields))
