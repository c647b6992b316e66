"""Submitting in crowds, singly and as atomic batches: each task is stored once, under the sequence its submitter was told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg

from bus import ledger
from bus.client import Submitted, Submitter
from bus.errors import RequestTimeout, StorageFull
from bus.group_commit import TRY_EVERY_S, Choice
from bus.jetstream import api
from bus.network import open_network
from bus.server import EmbeddedServer, ServerOptions
from bus.subjects import Subjects
from bus.topology import Limits, ensure
from schemas import TaskAssignment, decode, new_id
from tests.bus.eventually import WITHIN_S
from tests.bus.rig import TYPE, Rig, failure, open_rig

BOTH = pytest.mark.parametrize("batches", [False, True], ids=["one by one", "in batches"])


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which way all that waits goes in a test, and that all waits but the first; without that, the stream's speed decides."""
    batches = request.node.callspec.params.get("batches") if hasattr(request.node, "callspec") else None
    if batches is not None:
        monkeypatch.setattr("bus.group_commit.PATIENCE_S", -1.0)
        monkeypatch.setattr(Choice, "may_pay", lambda *_: True)
        monkeypatch.setattr(Choice, "batch", lambda *_: batches)


async def stored_tasks(rig: Rig) -> list[tuple[int, str]]:
    """Sequence and id of each task in the ledger, in order."""
    messages = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("task"))
    tasks: list[tuple[int, TaskAssignment]] = [(one.sequence, decode(TaskAssignment, one.data)) for one in messages]
    return [(sequence, task.id or "") for sequence, task in tasks]


async def submit_all(submitter: Submitter, count: int, *, prefix: str = "t") -> list[Submitted]:
    return await asyncio.gather(
        *(submitter.submit(TYPE, TaskAssignment(id=f"{prefix}{number}")) for number in range(count))
    )


@BOTH
async def test_each_of_a_crowd_is_stored_under_the_sequence_it_was_told(rig: Rig, batches: bool) -> None:
    submitted = await submit_all(rig.submitter, 700)
    assert sorted((one.sequence, one.id) for one in submitted) == await stored_tasks(rig)
    assert len(submitted) == len({one.sequence for one in submitted}) == 700
    messages = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("task"))
    assert ("Nats-Batch-Id" in messages[-1].headers) == batches


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


@BOTH
async def test_sequences_hold_while_results_are_copied_in_between(rig: Rig, batches: bool) -> None:
    ended = asyncio.Event()

    async def settle_and_publish(number: int) -> None:
        while not ended.is_set():
            await rig.publish(b"not a task of the crowd")
            await rig.network.results.settle(failure(f"f{number}-{new_id()}"))

    others = [asyncio.create_task(settle_and_publish(number)) for number in range(8)]
    submitted = [one for _ in range(5) for one in await submit_all(rig.submitter, 100, prefix=new_id())]
    ended.set()
    await asyncio.gather(*others)
    told = {(one.sequence, one.id) for one in submitted}
    assert len(told) == 500
    messages = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("task"))
    assert {(one.sequence, decode(TaskAssignment, one.data).id) for one in messages if one.data[:1] == b"{"} == told
    assert len(messages) > 500


@BOTH
async def test_a_crowd_of_anybodys(server: EmbeddedServer, batches: bool) -> None:
    subjects = Subjects(server.network.realm)
    async with (
        open_network(server.settings_for("operator"), subjects, name="operator") as network,
        open_network(server.anonymous_settings(), subjects, name="anybody") as open_to_all,
        Submitter(open_to_all) as submitter,
    ):
        await ensure(network.requester, subjects, task_types={TYPE: ()})
        submitted = await submit_all(submitter, 100, prefix=new_id())
        for one in submitted:
            entry = await ledger.entry(network, one.sequence)
            assert entry is not None
            assert decode(TaskAssignment, entry.data).id == one.id
        assert ("Nats-Batch-Id" in entry.headers) == batches


@BOTH
async def test_a_crowd_over_a_killed_server(tmp_path: Path, batches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.client.SUBMIT_WITHIN_S", 3 * WITHIN_S)
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server, open_rig(server) as rig:
        submitting = asyncio.create_task(submit_all(rig.submitter, 5000))
        stream = f"STREAM.INFO.{rig.subjects.ledger}"
        while (await api(rig.network.requester, stream))["state"]["messages"] < 100:
            pass
        await server.kill()
        assert not submitting.done()
        await server.restart()
        submitted = await submitting
        assert sorted((one.sequence, one.id) for one in submitted) == await stored_tasks(rig)
        assert len({one.sequence for one in submitted}) == 5000


class TestChoice:
    @staticmethod
    def after_trying(choice: Choice, now: float, single_s: float, batch_s: float, messages: int = 50) -> None:
        """Go through a trial in which a single message and a whole batch take so long."""
        for expected in (False, True):
            assert choice.may_pay(now)
            assert choice.batch(messages, now) is expected
            choice.note(batch=expected, messages=messages, seconds=batch_s if expected else single_s * messages)
        assert not choice.undecided

    @pytest.mark.parametrize(("single_s", "batch_s", "batch"), [(0.001, 0.01, True), (0.001, 0.1, False)])
    def test_the_cheaper_way_is_taken_once_both_were_tried(self, single_s: float, batch_s: float, batch: bool) -> None:
        choice = Choice()
        self.after_trying(choice, 100.0, single_s, batch_s)
        assert [choice.batch(50, 100.1) for _ in range(100)] == [batch] * 100
        assert choice.may_pay(100.2) is batch

    def test_a_batch_pays_for_many_and_not_for_few(self) -> None:
        choice = Choice()
        self.after_trying(choice, 100.0, single_s=0.001, batch_s=0.02)
        assert not choice.batch(10, 100.1)
        assert choice.batch(20, 100.1)

    def test_one_slow_flight_changes_nothing(self) -> None:
        choice = Choice()
        self.after_trying(choice, 100.0, single_s=0.001, batch_s=0.01)
        choice.note(batch=True, messages=50, seconds=5.0)
        assert choice.batch(50, 100.1)

    def test_both_are_tried_again_from_time_to_time(self) -> None:
        choice = Choice()
        self.after_trying(choice, 100.0, single_s=0.0001, batch_s=0.1)
        assert not choice.may_pay(100.0 + TRY_EVERY_S / 2)
        for number in range(1, 20):  # until the disk's better days are forgotten
            self.after_trying(choice, 100.0 + number * TRY_EVERY_S, single_s=0.01, batch_s=0.1)
        assert choice.batch(50, 100.1 + 19 * TRY_EVERY_S)
