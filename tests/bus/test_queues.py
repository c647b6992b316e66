"""What waits, what is taken, and for how long, by type and priority."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from bus.queues import merged, queue_status, queue_statuses
from bus.topology import ensure_consumers, omega_consumers, task_consumers
from schemas import QueueStatus, Route, WorkflowStart
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig
from tests.bus.taking import answer, store, take

ROUTES = {TYPE: Route(clone="echo", fallback=("other",), default_priority="low")}


async def queues(rig: Rig, **options: object) -> dict[tuple[str, str], tuple[int, int]]:
    found = await queue_statuses(rig.network, ROUTES, **options)  # type: ignore[arg-type]
    return {(each.task_type, each.priority): (each.waiting, each.taken) for each in found}


async def are(rig: Rig, wanted: Mapping[tuple[str, str], tuple[int, int]], **options: object) -> bool:
    """Whether these are among the queues; what is stored is counted a moment later."""
    return wanted.items() <= (await queues(rig, **options)).items()


async def test_waiting_and_taken(rig: Rig) -> None:
    await store(rig.network, *[b"{}"] * 5)
    done, _ = await take(rig.network, rig.subjects.consumer(TYPE), 2)
    await answer(rig.network, done, b"+ACK")

    async def are_told() -> bool:
        found = await queue_status(rig.network, TYPE, None, "medium")
        return (found.task_type, found.priority, found.waiting, found.taken) == (TYPE, "medium", 3, 1)

    await eventually(are_told)


async def test_the_oldest_is_the_first_that_nobody_took(rig: Rig) -> None:
    await store(rig.network)
    stored = await rig.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))

    async def has_waited() -> bool:
        found = await queue_status(rig.network, TYPE, None, "low")
        return found.oldest_s is not None and found.oldest_s > 0.3

    assert len(stored) == 1
    await eventually(has_waited)
    await store(rig.network)
    await take(rig.network, rig.subjects.consumer(TYPE))
    _, second = await rig.in_stream(rig.subjects.ledger, rig.subjects.task(TYPE))

    async def is_the_second_s() -> bool:
        begun = datetime.now(UTC)
        found = await queue_status(rig.network, TYPE, None, "low")
        if found.oldest_s is None:
            return False
        least, most = ((now - second.stored_at).total_seconds() for now in (begun, datetime.now(UTC)))
        assert least <= found.oldest_s <= most
        return True

    await eventually(is_the_second_s)
    await take(rig.network, rig.subjects.consumer(TYPE))

    async def none_waits() -> bool:
        return (await queue_status(rig.network, TYPE, None, "low")).oldest_s is None

    await eventually(none_waits)


async def test_each_priority_with_its_own_and_what_counts_as_it(rig: Rig) -> None:
    subjects = rig.subjects
    await store(rig.network, b"{}", b"{}")
    await store(rig.network, subject=subjects.task(TYPE, "low"))
    await store(rig.network, subject=subjects.task(TYPE, "high"))
    await store(rig.network, subject=subjects.handover(TYPE, "echo"))
    await eventually(lambda: are(rig, {(TYPE, "high"): (2, 0), (TYPE, "medium"): (0, 0), (TYPE, "low"): (3, 0)}))
    # Whom the route names by now is no matter to what was handed over before.
    await ensure_consumers(rig.network.requester, subjects, task_consumers(subjects, TYPE, ["gone"]))
    await store(rig.network, subject=subjects.handover(TYPE, "gone"))
    for options, waiting in ({}, 3), ({"clone": "other"}, 1), ({"clone": "echo"}, 2):
        await eventually(lambda: are(rig, {(TYPE, "high"): (waiting, 0)}, **options))  # noqa: B023  waited for here and now


async def test_workflows_are_one_queue(rig: Rig) -> None:
    await ensure_consumers(rig.network.requester, rig.subjects, omega_consumers(rig.subjects))
    await rig.submitter.start_workflow("review", WorkflowStart())
    await rig.submitter.start_workflow("other", WorkflowStart())
    await eventually(lambda: are(rig, {("workflow", ""): (2, 0)}, workflows=True))


async def test_a_type_without_consumers_has_nothing(rig: Rig) -> None:
    found = await queue_status(rig.network, "nobodys", "high", "low")
    assert found == QueueStatus(task_type="nobodys", priority="high", waiting=0, taken=0)


@pytest.mark.parametrize(
    ("one", "other", "both"), [(None, None, None), (1.0, None, 1.0), (None, 2.0, 2.0), (3.0, 2.0, 3.0)]
)
def test_the_older_one_counts(one: float | None, other: float | None, both: float | None) -> None:
    def queue(oldest_s: float | None) -> QueueStatus:
        return QueueStatus(task_type=TYPE, priority="low", waiting=1, taken=2, oldest_s=oldest_s)

    assert merged(queue(one), queue(other)) == QueueStatus(
        task_type=TYPE, priority="low", waiting=2, taken=4, oldest_s=both
    )
