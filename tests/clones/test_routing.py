"""Which clone serves what, and that the pieces which have to agree do."""

import pytest

from bus.subjects import PRIORITIES, Subjects
from bus.task import Done, Task
from clones.params import PARAMS
from clones.routing import ALIASES, ROUTES, WEIGHTS, route_of, routes_of, service, task_types, types_by_clone
from schemas import TaskCompletion
from tests.bus.eventually import eventually
from tests.clones.rig import MODULES, ClonesRig
from tests.conftest import CLONES


async def nothing(_: Task) -> Done:
    return Done()


def test_every_task_type_has_one_clone_with_a_handler_and_parameters() -> None:
    assert types_by_clone() == dict(CLONES)
    assert set(MODULES) == set(CLONES)
    assert len(set(task_types())) == len(ROUTES) == len(PARAMS)
    for route in ROUTES:
        assert route_of(route.task_type) is route
        assert route in routes_of(route.clone)
        assert route.task_type in PARAMS
        assert route.timeout_s > 0
        assert route.retries >= 0


def test_aliases_name_served_types_and_are_none_themselves() -> None:
    for alias, name in ALIASES.items():
        assert alias not in task_types()
        assert route_of(alias) is route_of(name) is not None


@pytest.mark.parametrize("name", ["securty", "", "*", "security.high", "workflow"])
def test_nobody_serves_anything_else(name: str) -> None:
    assert route_of(name) is None
    assert routes_of(name) == ()


def test_each_priority_has_its_weight_and_a_bare_subject_the_routes_own() -> None:
    subjects = Subjects("sanctuary")
    assert WEIGHTS["high"] > WEIGHTS["medium"] > WEIGHTS["low"] > 0
    for route in ROUTES:
        offered = service(route, nothing, subjects)
        wanted = {subjects.consumer(route.task_type, priority): WEIGHTS[priority] for priority in PRIORITIES}
        assert offered.consumers == {subjects.consumer(route.task_type): WEIGHTS[route.default_priority], **wanted}
        assert (offered.task_type, offered.timeout_s, offered.retries) == (
            route.task_type,
            route.timeout_s,
            route.retries,
        )


async def test_each_clone_gets_its_types_under_every_priority(clones_rig: ClonesRig) -> None:
    for clone, types in CLONES.items():
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
        await eventually(lambda: len(order) == 120, within_s=30)
    first = [order[:48].count(priority) for priority in PRIORITIES]
    # 8 : 3 : 1 of 48 are 32, 12 and 4; handing over between tasks may shift a few.
    assert first[0] >= 26
    assert first[1] >= 8
    assert first[2] >= 1
