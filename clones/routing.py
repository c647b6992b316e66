"""Which clone serves which task type: the default table, and what follows from a table. Pure."""

from collections.abc import Container, Iterable

from bus.subjects import PRIORITIES, Subjects
from bus.task import Handler, Service
from schemas import Priority, Route, RoutingTable

DEFAULT_TABLE = RoutingTable(
    aliases={
        "security-analysis": "security",
        "architecture-design": "architecture",
        "test-strategy": "testing",
    },
    routes={
        "security": Route(clone="beta", fallback=("delta",), default_priority="high", timeout_s=240, retries=2),
        "performance": Route(clone="beta", fallback=("delta",), default_priority="medium", timeout_s=600, retries=1),
        "architecture": Route(clone="gamma", fallback=("sigma",), default_priority="high", timeout_s=180, retries=1),
        "testing": Route(clone="delta", fallback=("beta",), default_priority="medium", timeout_s=600, retries=2),
        "documentation": Route(
            clone="sigma",
            fallback=("gamma",),
            default_priority="low",
            timeout_s=120,
            retries=1,
            # A document rests on what the others find; none of those rests on a document.
            may_ask=("security", "performance", "architecture", "testing"),
        ),
        "design": Route(clone="gamma", fallback=("sigma",), default_priority="medium", timeout_s=120, retries=1),
        "scalability": Route(clone="gamma", fallback=("sigma",), default_priority="medium", timeout_s=300, retries=1),
        "impact": Route(clone="gamma", fallback=("sigma",), default_priority="medium", timeout_s=120, retries=1),
        "strategy": Route(clone="delta", fallback=("beta",), default_priority="medium", timeout_s=120, retries=1),
        "mutation": Route(clone="delta", fallback=("beta",), default_priority="low", timeout_s=600, retries=1),
        "triage": Route(clone="delta", fallback=("beta",), default_priority="high", timeout_s=600, retries=1),
        "api-changes": Route(clone="sigma", fallback=("gamma",), default_priority="medium", timeout_s=120, retries=1),
        "changelog": Route(clone="sigma", fallback=("gamma",), default_priority="medium", timeout_s=120, retries=1),
        "code-map": Route(clone="gamma", fallback=("sigma",), default_priority="medium", timeout_s=120, retries=1),
        "knowledge": Route(clone="sigma", fallback=("gamma",), default_priority="medium", timeout_s=120, retries=1),
    },
)
"""What a new network begins with."""


def type_of(table: RoutingTable, name: str) -> str | None:
    """Return the task type that a type or an alias names, or None where nobody serves it."""
    task_type = table.aliases.get(name, name)
    return task_type if task_type in table.routes else None


def known_types(table: RoutingTable) -> str:
    """Return in words which types and aliases there are, for the messages that refuse others."""
    aliases = f" (also {', '.join(table.aliases)})" if table.aliases else ""
    return f"{', '.join(table.routes) or 'none'}{aliases}"


def clones_of(route: Route) -> tuple[str, ...]:
    """Return the clones that may take a type's tasks, the primary first."""
    return tuple(dict.fromkeys((route.clone, *route.fallback)))


def clones_by_type(table: RoutingTable) -> dict[str, tuple[str, ...]]:
    """Return for each task type the clones that may take its tasks, the primary first."""
    return {task_type: clones_of(route) for task_type, route in table.routes.items()}


def types_by_clone(table: RoutingTable) -> dict[str, tuple[str, ...]]:
    """Return each clone's task types, those that it falls back for included; the primaries come first."""
    primaries = [route.clone for route in table.routes.values()]
    fallbacks = [clone for route in table.routes.values() for clone in route.fallback]
    return {clone: types_of(table, clone) for clone in dict.fromkeys(primaries + fallbacks)}


def types_of(table: RoutingTable, clone: str) -> tuple[str, ...]:
    """Return the task types that `clone` may take, those that it falls back for included."""
    return tuple(task_type for task_type, route in table.routes.items() if clone in clones_of(route))


def service(table: RoutingTable, task_type: str, clone: str, handler: Handler, subjects: Subjects) -> Service:
    """Return what a worker of `clone` needs to serve `task_type` with `handler`, as the table has it."""
    route = table.routes[task_type]
    place = clones_of(route).index(clone)
    by_priority = {priority: getattr(table.weights, priority) for priority in PRIORITIES}
    return Service(
        task_type=task_type,
        handler=handler,
        consumers={
            subjects.consumer(task_type): by_priority[route.default_priority],
            **{subjects.consumer(task_type, priority): by_priority[priority] for priority in PRIORITIES},
        },
        # A person, or Omega in a person's place, has decided that these go on now.
        direct_consumers={subjects.handover_consumer(task_type, clone): table.weights.high},
        place=place,
        only_when_absent=place > 0 and route.fallback_when == "absent",
        concurrency=route.concurrency,
        rate_per_s=route.rate_per_s,
        timeout_s=route.timeout_s,
        retries=route.retries,
        backoff=route.backoff,
        non_retryable=frozenset(route.non_retryable),
        schedule_to_start_s=route.schedule_to_start_s,
        parks=route.when_exhausted != "fail",
        severity=route.severity,
    )


def next_fallback(route: Route, tried: Iterable[str], absent: Container[str] = ()) -> str | None:
    """Return the next clone that a task goes to which those `tried` could not do, or None where no clone is left.

    One that is not `absent` comes first; where all are, the task waits for the first of them.
    """
    used = set(tried)
    left = [clone for clone in clones_of(route) if clone not in used]
    return next((clone for clone in left if clone not in absent), left[0] if left else None)


def default_priority(table: RoutingTable, task_type: str, priority: Priority | None) -> Priority:
    """Return what a task counts as whose subject names `priority`, or none."""
    return priority or table.routes[task_type].default_priority
