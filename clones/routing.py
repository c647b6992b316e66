"""Which clone serves which task type, and under which limits."""

from dataclasses import dataclass

from bus.subjects import PRIORITIES, Priority, Subjects
from bus.task import Handler, Service

WEIGHTS: dict[Priority, int] = {"high": 8, "medium": 3, "low": 1}
"""How often a free slot goes to each priority while all have tasks waiting."""


@dataclass(frozen=True, slots=True)
class Route:
    """One task type."""

    task_type: str
    clone: str
    default_priority: Priority
    """What a task counts as whose subject names no priority."""
    timeout_s: float
    """Start-to-close of one attempt; a task may ask for more."""
    retries: int
    """Attempts after the first that follow a retryable failure."""


ROUTES: tuple[Route, ...] = (
    Route("security", "beta", "high", 30.0, 2),
    Route("performance", "beta", "medium", 60.0, 1),
    Route("architecture", "gamma", "high", 45.0, 1),
    Route("testing", "delta", "medium", 30.0, 2),
    Route("documentation", "sigma", "low", 20.0, 1),
)

ALIASES = {
    "security-analysis": "security",
    "architecture-design": "architecture",
    "test-strategy": "testing",
}
"""Names of the original plan; resolved by the command line and by calls, not by subjects."""


def route_of(task_type: str) -> Route | None:
    """Return the route of a task type or an alias, or None where nobody serves it."""
    name = ALIASES.get(task_type, task_type)
    return next((route for route in ROUTES if route.task_type == name), None)


def routes_of(clone: str) -> tuple[Route, ...]:
    """Return the routes that `clone` serves."""
    return tuple(route for route in ROUTES if route.clone == clone)


def task_types() -> tuple[str, ...]:
    """Return all task types that are served."""
    return tuple(route.task_type for route in ROUTES)


def types_by_clone() -> dict[str, tuple[str, ...]]:
    """Return each clone's task types."""
    return {
        clone: tuple(route.task_type for route in routes_of(clone)) for clone in dict.fromkeys(r.clone for r in ROUTES)
    }


def service(route: Route, handler: Handler, subjects: Subjects) -> Service:
    """Return what a worker needs to serve `route` with `handler`."""
    consumers = {subjects.consumer(route.task_type): WEIGHTS[route.default_priority]}
    consumers |= {subjects.consumer(route.task_type, priority): WEIGHTS[priority] for priority in PRIORITIES}
    return Service(
        task_type=route.task_type,
        handler=handler,
        consumers=consumers,
        timeout_s=route.timeout_s,
        retries=route.retries,
    )
