"""Hearing of results: what the server says of a stored one is taken as it is, all else on its subject only has somebody look."""

import asyncio
from datetime import UTC, datetime

from clones.omega.workflows.arrivals import MANY, Arrivals
from schemas import TaskCompletion, TaskResult, decode
from tests.bus.eventually import eventually
from tests.clones.rig import ClonesRig


def result(task_id: str, summary: str = "") -> TaskCompletion:
    return TaskCompletion(
        task_id=task_id,
        task_type="security",
        clone="beta",
        instance="beta-1",
        attempt=1,
        started_at=datetime.now(UTC),
        finished_at=datetime.now(UTC),
        writer="one",
        summary=summary,
    )


class Heard:
    """What was heard, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[str, TaskResult | None]] = []

    def __call__(self, task_id: str, body: bytes | None) -> None:
        self.all.append((task_id, None if body is None else decode(TaskResult, body)))

    async def count(self, wanted: int) -> None:
        await eventually(lambda: len(self.all) >= wanted)


async def test_a_stored_result_is_heard_whole_and_once(clones_rig: ClonesRig) -> None:
    heard, network = Heard(), clones_rig.network
    async with Arrivals(network) as arrivals:
        for task_id in ("a", "b"):
            await arrivals.expect("security", task_id, heard)
        await network.results.settle(result("a", "first"))
        await network.results.settle(result("a", "refused"))
        await network.results.settle(result("nobody's"))
        await network.results.settle(result("b"))
        await heard.count(2)
    assert [task_id for task_id, _ in heard.all] == ["a", "b"]
    stored = heard.all[0][1]
    assert stored is not None
    assert stored == await network.results.read("security", "a")


async def test_what_is_not_stored_is_no_result(clones_rig: ClonesRig) -> None:
    """Also where the server itself has sent it, as an answer to somebody who named the subject to be answered at."""
    heard, network = Heard(), clones_rig.network
    subject = network.subjects.result("security", "a")
    await network.results.settle(result("other"))
    get = f"$JS.API.DIRECT.GET.{network.subjects.results}.{network.subjects.result('security', 'other')}"
    async with Arrivals(network) as arrivals:
        await arrivals.expect("security", "a", heard)
        network.client.post(subject, b'{"type":"TaskCompletion"}')
        network.client.post(get, b"", reply=subject)
        await heard.count(2)
    assert heard.all == [("a", None), ("a", None)]


async def test_who_has_heard_enough_is_told_no_more(clones_rig: ClonesRig) -> None:
    gone, heard, network = Heard(), Heard(), clones_rig.network
    async with Arrivals(network) as arrivals:
        await arrivals.expect("security", "a", gone)
        await arrivals.expect("security", "b", heard)
        arrivals.forget("security", "a", heard)  # not theirs
        arrivals.forget("security", "a", gone)
        for task_id in ("a", "b"):
            await network.results.settle(result(task_id))
        await heard.count(1)
    assert gone.all == []


async def test_of_many_none_is_missed(clones_rig: ClonesRig) -> None:
    """Those that come soon after another are told together."""
    heard, network = Heard(), clones_rig.network
    ids = [f"t{number}" for number in range(4 * MANY)]
    async with Arrivals(network) as arrivals:
        for task_id in ids:
            await arrivals.expect("security", task_id, heard)
        await asyncio.gather(*(network.results.settle(result(task_id)) for task_id in ids))
        await heard.count(len(ids))
    assert sorted(task_id for task_id, _ in heard.all) == sorted(ids)
    assert all(found is not None and found.task_id == task_id for task_id, found in heard.all)
