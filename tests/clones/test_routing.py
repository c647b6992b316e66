"""Which clone serves what, and that the pieces which have to agree do."""

from dataclasses import replace

import msgspec
import pytest

from bus.subjects import PRIORITIES, RESERVED_TYPES, Subjects
from bus.task import Done, Task
from clones.params import PARAMS
from clones.routing import (
    DEFAULT_TABLE,
    clones_by_type,
    clones_of,
    default_priority,
    next_fallback,
    service,
    type_of,
    types_by_clone,
    types_of,
)
from schemas import Route, RoutingTable, TaskCompletion, Weights
from tests.bus.eventually import eventually
from tests.clones.rig import MODULES, ClonesRig

SUBJECTS = Subjects("sanctuary")
PAIRS = {"beta": "delta", "delta": "beta", "gamma": "sigma", "sigma": "gamma"}


async def nothing(_: Task) -> Done:
    return Done()


def test_the_default_table_is_the_plans() -> None:
    routes = DEFAULT_TABLE.routes
    assert {name: (each.default_priority, each.timeout_s, each.retries) for name, each in routes.items()} == {
        "security": ("high", 240, 2),
        "performance": ("medium", 600, 1),
        "architecture": ("high", 180, 1),
        "testing": ("medium", 600, 2),
        "documentation": ("low", 120, 1),
        "design": ("medium", 120, 1),
        "scalability": ("medium", 300, 1),
        "impact": ("medium", 120, 1),
        "strategy": ("medium", 120, 1),
        "mutation": ("low", 600, 1),
        "triage": ("high", 600, 1),
        "api-changes": ("medium", 120, 1),
        "changelog": ("medium", 120, 1),
        "code-map": ("medium", 120, 1),
        "knowledge": ("medium", 120, 1),
    }
    assert set(routes) == set(PARAMS)
    assert not RESERVED_TYPES & set(routes)
    assert types_by_clone(DEFAULT_TABLE).keys() == MODULES.keys() == PAIRS.keys()
    for each in routes.values():
        assert each.fallback == (PAIRS[each.clone],)


def test_aliases_name_served_types_and_are_none_themselves() -> None:
    for alias, name in DEFAULT_TABLE.aliases.items():
        assert alias not in DEFAULT_TABLE.routes
        assert type_of(DEFAULT_TABLE, alias) == type_of(DEFAULT_TABLE, name) == name


@pytest.mark.parametrize("name", ["securty", "", "*", "security.high", "workflow"])
def test_nobody_serves_anything_else(name: str) -> None:
    assert type_of(DEFAULT_TABLE, name) is None
    assert types_of(DEFAULT_TABLE, name) == ()


TABLE = RoutingTable(
    weights=Weights(high=5, medium=4, low=3),
    routes={
        "a": Route(clone="x", fallback=("y", "z")),
        "b": Route(clone="y", fallback_when="busy", fallback=("x",), default_priority="low", when_exhausted="park"),
    },
)


def test_what_follows_from_a_table() -> None:
    assert clones_by_type(TABLE) == {"a": ("x", "y", "z"), "b": ("y", "x")}
    assert types_by_clone(TABLE) == {"x": ("a", "b"), "y": ("a", "b"), "z": ("a",)}
    assert default_priority(TABLE, "b", None) == "low"
    assert default_priority(TABLE, "b", "high") == "high"


def test_each_fallback_is_tried_once_and_the_primary_first() -> None:
    route = TABLE.routes["a"]
    assert clones_of(route) == ("x", "y", "z")
    assert [next_fallback(route, tried) for tried in ((), ("x",), ("y", "x"), ("x", "y", "z"))] == ["x", "y", "z", None]


def test_a_fallback_that_is_there_comes_before_one_that_is_not() -> None:
    route = TABLE.routes["a"]
    cases = [(("x",), {"y"}), (("x",), {"y", "z"}), (("x",), {"z"}), (("x", "y", "z"), {"x"})]
    assert [next_fallback(route, tried, absent) for tried, absent in cases] == ["z", "y", "y", None]


def test_each_priority_has_its_weight_and_a_bare_subject_the_routes_own() -> None:
    offered = service(TABLE, "b", "y", nothing, SUBJECTS)
    assert offered.consumers == {"task_b": 3, "task_b+high": 5, "task_b+medium": 4, "task_b+low": 3}
    assert offered.direct_consumers == {"handover_b+y": 5}
    assert (offered.place, offered.only_when_absent, offered.parks) == (0, False, True)


def test_a_fallback_has_its_place_and_waits_as_its_route_says() -> None:
    places = {clone: service(TABLE, "a", clone, nothing, SUBJECTS) for clone in ("x", "y", "z")}
    assert [(each.place, each.only_when_absent) for each in places.values()] == [(0, False), (1, True), (2, True)]
    busy = service(TABLE, "b", "x", nothing, SUBJECTS)
    assert (busy.place, busy.only_when_absent) == (1, False)
    # Nothing else is different: the work is the same.
    fields = dict.fromkeys(("place", "only_when_absent", "direct_consumers"))
    assert replace(places["x"], **fields) == replace(places["y"], **fields)  # type: ignore[arg-type]


def test_every_limit_of_a_route_reaches_the_worker() -> None:
    route = Route(clone="x", timeout_s=1, retries=3, concurrency=2, rate_per_s=0.5, schedule_to_start_s=9)
    route = msgspec.structs.replace(route, non_retryable=("engine_crashed",), severity="low")
    offered = service(RoutingTable(routes={"a": route}), "a", "x", nothing, SUBJECTS)
    assert (offered.timeout_s, offered.retries, offered.concurrency, offered.rate_per_s) == (1, 3, 2, 0.5)
    assert (offered.schedule_to_start_s, offered.non_retryable, offered.severity) == (
        9.0,
        frozenset({"engine_crashed"}),
        "low",
    )
    assert offered.backoff == route.backoff


async def test_each_clone_gets_its_types_under_every_priority(clones_rig: ClonesRig) -> None:
    for clone in MODULES:
        types = [task_type for task_type, route in DEFAULT_TABLE.routes.items() if route.clone == clone]
        async with clones_rig.clone(clone, dict.fromkeys(types, nothing)) as running:
            for task_type in types:
                for priority in (None, *PRIORITIES):
                    task_id = f"{task_type}-{priority}"
                    body = f'{{"id":"{task_id}"}}'.encode()
                    await clones_rig.bus.publish(body, task_type, priority=priority)
                    result = await clones_rig.bus.result(task_id, task_type)
                    assert isinstance(result, TaskCompletion)
                    assert (result.clone, result.instance) == (clone, running.identity.instance)


async def test_the_urgent_come_first(clones_rig: ClonesRig) -> None:
    """All wait before the clone starts; it has one slot. The order is by weight, not strict: nobody starves."""
    order: list[str] = []

    async def note(task: Task) -> Done:
        order.append(task.id.partition("-")[0])
        return Done()

    for number in range(40):
        for priority in reversed(PRIORITIES):
            body = f'{{"id":"{priority}-{number}"}}'.encode()
            await clones_rig.bus.publish(body, "architecture", priority=priority)
    async with clones_rig.clone("gamma", {"architecture": note}, capacity=1):
        await eventually(lambda: len(order) == 120, within_s=90)
    first = [order[:48].count(priority) for priority in PRIORITIES]
    # 8 : 3 : 1 of 48 are 32, 12 and 4; handing over between tasks may shift a few.
    assert first[0] >= 26
    assert first[1] >= 8
    assert first[2] >= 1
