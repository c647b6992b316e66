"""Submitting in crowds, singly and as atomic batches: each task is stored once, under the sequence its submitter was told."""

import asyncio
from typing import Any

import pytest
from nats.aio.msg import Msg

from bus.client import Submitted, Submitter
from bus.errors import RequestTimeout, StorageFull
from bus.group_commit import Costs
from bus.server import EmbeddedServer
from bus.topology import Limits
from schemas import TaskAssignment, decode
from tests.bus.rig import TYPE, Rig, open_rig

BOTH = pytest.mark.parametrize("batches", [False, True], ids=["one by one", "in batches"])


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which way all waves of a test go; without a choice, the costs decide."""
    batches = request.node.callspec.params.get("batches") if hasattr(request.node, "callspec") else None
    if batches is not None:
        monkeypatch.setattr(Costs, "batch_next", lambda _: batches)


async def stored_tasks(rig: Rig) -> list[tuple[int, str]]:
    """Sequence and id of each task in the ledger, in order."""
    messages = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("task"))
    tasks: list[tuple[int, TaskAssignment]] = [(one.sequence, decode(TaskAssignment, one.data)) for one in messages]
    return [(sequence, task.id or "") for sequence, task in tasks]


async def submit_all(submitter: Submitter, count: int, **fields: Any) -> list[Submitted]:
    return await asyncio.gather(
        *(submitter.submit(TYPE, TaskAssignment(id=f"t{number}", **fields)) for number in range(count))
    )


@BOTH
async def test_each_of_a_crowd_is_stored_under_the_sequence_it_was_told(rig: Rig, batches: bool) -> None:
    submitted = await submit_all(rig.submitter, 700)
    assert sorted((one.sequence, one.id) for one in submitted) == await stored_tasks(rig)
    assert len(submitted) == len({one.sequence for one in submitted}) == 700


@BOTH
async def test_several_crowds_at_once(rig: Rig, batches: bool) -> None:
    async with Submitter(rig.network) as other:
        first, second = await asyncio.gather(
            submit_all(rig.submitter, 200),
            asyncio.gather(*(other.submit(TYPE, TaskAssignment(id=f"o{number}")) for number in range(200))),
        )
    assert sorted((one.sequence, one.id) for one in (*first, *second)) == await stored_tasks(rig)


@BOTH
async def test_what_was_stored_before_keeps_its_sequence(rig: Rig, batches: bool) -> None:
    known = await rig.submitter.submit(TYPE, TaskAssignment(id="t7"))
    submitted = await submit_all(rig.submitter, 50)
    assert submitted[7] == known
    assert sorted((one.sequence, one.id) for one in submitted) == await stored_tasks(rig)


@BOTH
async def test_lost_answers_store_nothing_twice(rig: Rig, batches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    send = rig.network.requester.send
    lost: list[str] = []

    def loses_the_first(subject: str, payload: bytes, **options: Any) -> "asyncio.Future[Msg]":
        answer = send(subject, payload, **options)
        if ".task." not in subject or len(lost) >= 40:
            return answer
        lost.append(subject)
        never: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        # The server has stored it by then, and nobody hears.
        answer.add_done_callback(lambda _: never.set_exception(RequestTimeout("lost")))
        return never

    monkeypatch.setattr(rig.network.requester, "send", loses_the_first)
    submitted = await submit_all(rig.submitter, 60)
    assert lost
    assert sorted((one.sequence, one.id) for one in submitted) == await stored_tasks(rig)


@BOTH
async def test_of_a_crowd_too_large_for_the_ledger_each_hears_its_own_fate(
    server: EmbeddedServer, batches: bool
) -> None:
    async with open_rig(server, limits=Limits(ledger_max_bytes=64 * 1024)) as rig:
        outcomes = await asyncio.gather(
            *(
                rig.submitter.submit(TYPE, TaskAssignment(id=f"t{number}", params={"x": "x" * 2000}))
                for number in range(60)
            ),
            return_exceptions=True,
        )
        told = sorted((one.sequence, one.id) for one in outcomes if isinstance(one, Submitted))
        refused = [one for one in outcomes if isinstance(one, StorageFull)]
        assert 0 < len(told) < 60
        assert len(told) + len(refused) == 60
        assert told == await stored_tasks(rig)


@BOTH
async def test_submitters_that_give_up_hold_up_nobody(rig: Rig, batches: bool) -> None:
    submitting = [
        asyncio.create_task(rig.submitter.submit(TYPE, TaskAssignment(id=f"t{number}"))) for number in range(40)
    ]
    await asyncio.sleep(0)
    for task in submitting[::2]:
        task.cancel()
    kept = await asyncio.gather(*submitting[1::2])
    assert {(one.sequence, one.id) for one in kept} <= set(await stored_tasks(rig))
    assert (await rig.submitter.submit(TYPE, TaskAssignment(id="after"))).id == "after"


class TestCosts:
    def test_both_ways_are_tried_before_either_is_judged(self) -> None:
        costs = Costs()
        assert not costs.batch_next()
        costs.note(batch=False, messages=10, seconds=1)
        assert costs.batch_next()

    @pytest.mark.parametrize(("single_s", "batch_s", "batch"), [(1.0, 0.1, True), (1.0, 0.9, False), (1.0, 5.0, False)])
    def test_the_clearly_cheaper_way_is_taken(self, single_s: float, batch_s: float, batch: bool) -> None:
        costs = Costs()
        costs.note(batch=False, messages=1, seconds=single_s)
        costs.note(batch=True, messages=1, seconds=batch_s)
        taken = [costs.batch_next() for _ in range(1000)]
        assert taken.count(batch) > 980
        assert taken.count(not batch) > 0  # and now and then the other one, to notice a change
