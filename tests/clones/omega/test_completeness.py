"""Omega checks that the ledger is whole: on a real server, with what strangers write, restarts, and two at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from bus import buckets
from bus.delivery import ACK
from bus.identity import OMEGA, Identity
from bus.jetstream import api, publish
from bus.network import open_network
from bus.server import EmbeddedServer
from bus.subjects import ESCALATION_TYPE
from clones.omega import completeness
from clones.omega.completeness import Completeness
from schemas import ErrorEscalation, decode, sequence_id
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig, Runs, open_rig
from tests.bus.taking import answer, take

FORGED = (
    b'{"type":"TaskStarted","task_id":"never","task_type":"echo","clone":"c","instance":"i","attempt":1,'
    b'"at":"2026-01-01T00:00:00Z","sequence":999999}'
)


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    async with open_rig(server) as opened:
        await buckets.ensure_bucket(opened.network.requester, opened.subjects.completeness)
        yield opened


@asynccontextmanager
async def checking(rig: Rig, *, instance: Identity | None = None) -> AsyncIterator[Completeness]:
    """A check that takes everything for settled."""
    async with open_network(rig.settings, rig.subjects, name="check") as network:
        yield Completeness(network, instance or Identity(OMEGA), settled_s=0.0, lost_every_s=0.0)


async def escalated(rig: Rig) -> list[ErrorEscalation]:
    found = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("escalation"))
    return [decode(ErrorEscalation, message.data) for message in found]


async def caught_up(rig: Rig, check: Completeness) -> None:
    """Look until all is checked that is there."""

    async def has() -> bool:
        await check.look()
        counts = check.counts()
        return counts.left == 0 and counts.last > 0

    await eventually(has)


async def test_what_happens_every_day_is_no_reason_to_escalate(rig: Rig) -> None:
    runs = Runs()
    async with rig.worker(runs, retries=2), checking(rig) as check:
        await rig.submit("fails", {"fail": "target_unavailable", "until": 2})
        await rig.submit("long", {"sleep_s": 0.3})
        nameless = (await rig.publish(b"{}")).seq
        broken = (await rig.publish(b"{")).seq
        for task_id in ("fails", "long", sequence_id(nameless), sequence_id(broken)):
            await rig.result(task_id)
        await rig.submit("long")  # an id that was used
        await eventually(rig.all_settled)
        await caught_up(rig, check)
        assert check.counts().findings == {}
    assert await escalated(rig) == []


async def test_an_entry_that_does_not_fit_is_escalated_once(rig: Rig) -> None:
    forged = (await publish(rig.network.requester, rig.subjects.event(TYPE, "never"), FORGED)).seq
    async with checking(rig) as check:
        await check.look()
        await check.look()
        assert check.counts().findings == {"no_task": 1}
    (told,) = await escalated(rig)
    assert (told.code, told.severity, told.task_type, told.task_id) == ("ledger_incomplete", "high", TYPE, "never")
    assert f"the ledger is not whole: entry {forged}: TaskStarted of a task that was never submitted" in told.message


async def test_many_at_once_are_told_in_one_more(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completeness, "MOST_TOLD", 2)
    for number in range(5):
        await publish(rig.network.requester, rig.subjects.event(TYPE, f"n{number}"), FORGED)
    async with checking(rig) as check:
        await check.look()
        assert check.counts().findings == {"no_task": 5}
    told = await escalated(rig)
    assert len(told) == 3
    assert "3 more things like this" in told[-1].message


async def test_a_task_that_left_its_queue_without_a_result_is_told(rig: Rig) -> None:
    lost, waits = (await rig.submit("lost")).sequence, (await rig.submit("waits")).sequence
    (taken,) = await take(rig.network, rig.subjects.consumer(TYPE))
    assert taken.sequence == lost
    await answer(rig.network, taken, ACK)
    async with checking(rig) as check:

        async def is_told() -> bool:
            await check.look()
            return bool(check.counts().findings)

        await eventually(is_told)
        await check.look()
    (told,) = await escalated(rig)
    assert f"entry {lost}: it has left its queue, and nobody stored a result" in told.message
    assert waits > lost


async def test_a_restart_goes_on_with_what_was_open(rig: Rig) -> None:
    identity = Identity(OMEGA)
    await rig.submit("open")
    async with checking(rig, instance=identity) as check:
        await check.look()
        check._saved_at = 0.0
        await check.look()
    first = check.counts().last
    await rig.submit("later")
    async with rig.worker(Runs()):
        for task_id in ("open", "later"):
            await rig.result(task_id)

    async def are_copied() -> bool:
        return len(await rig.in_stream(rig.subjects.ledger, rig.subjects.every("result"))) == 2

    await eventually(are_copied)
    async with checking(rig, instance=identity) as check:
        read = [message.sequence for message in await rig.in_stream(rig.subjects.ledger, f"{rig.subjects.realm}.>")]
        await caught_up(rig, check)
        books = check._books
        assert books is not None
        assert check.counts().findings == {}
        assert books.open == {}
        assert first < check.counts().last == read[-1]
    assert await escalated(rig) == []


async def test_until_when_a_purge_excuses_results_outlives_a_restart(rig: Rig) -> None:
    identity = Identity(OMEGA)
    for task_id in ("gone", "there"):
        await rig.submit(task_id)
    await api(rig.network.requester, f"STREAM.PURGE.{rig.subjects.ledger}", {"seq": 2})
    async with checking(rig, instance=identity) as check:
        await caught_up(rig, check)
        check._saved_at = 0.0
        await rig.submit("more")
        await caught_up(rig, check)
        until = check._looking.unsure_until
    assert until is not None
    async with checking(rig, instance=identity) as check:
        await check.look()
        assert check._looking.unsure_until == until
        assert check.counts().findings == {}


async def test_of_two_one_checks_and_the_other_takes_over(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish(rig.network.requester, rig.subjects.event(TYPE, "never"), FORGED)
    async with checking(rig) as one, checking(rig) as other:
        await one.look()
        await other.look()
        assert (one.counts().findings, other.counts().findings) == ({"no_task": 1}, {})
        await publish(rig.network.requester, rig.subjects.event(TYPE, "never2"), FORGED)
        await other.look()
        assert other.counts().findings == {}
        # The one says nothing any more.
        monkeypatch.setattr(completeness, "TAKE_OVER_S", 0.0)
        await eventually(lambda: _finds(other))
        monkeypatch.setattr(completeness, "SAVE_EVERY_S", 0.0)
        await rig.submit("x")
        await one.look()
        assert one._books is None, "what the other one has stored stands"
    told = await escalated(rig)
    assert {each.task_id for each in told} == {"never", "never2"}
    assert len(told) == 2, "both say it in the same words, and so it is stored once"


async def _finds(check: Completeness) -> bool:
    await check.look()
    return bool(check.counts().findings)


async def test_what_is_not_settled_waits(rig: Rig) -> None:
    await publish(rig.network.requester, rig.subjects.event(TYPE, "never"), FORGED)
    async with open_network(rig.settings, rig.subjects, name="check") as network:
        check = Completeness(network, Identity(OMEGA), settled_s=3600.0)
        await check.look()
        assert (check.counts().last, check.counts().left, check.counts().findings) == (0, 1, {})


async def test_its_own_escalations_fit(rig: Rig) -> None:
    await publish(rig.network.requester, rig.subjects.event(TYPE, "never"), FORGED)
    async with checking(rig) as check:
        await check.look()
        await check.look()
        books = check._books
        assert books is not None
        assert {key[0] for key in books.open} == {ESCALATION_TYPE}
        assert check.counts().findings == {"no_task": 1}
