"""Searching the ledger: every entry that is wanted, once, in either order, through windows of any size."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

import ops.searching
from bus.jetstream import publish
from ops.archive.source import Source, open_source
from ops.entries import Entry
from ops.filters import Filter
from ops.searching import Stretch, newest_first, oldest_first, stretch
from schemas import TaskAssignment, encode
from tests.ops.rig import OpsRig


async def fill(rig: OpsRig, count: int) -> Source:
    """A ledger of tasks, every third of which is of one team."""
    for number in range(count):
        labels = {"team": "red"} if number % 3 == 0 else {}
        body = encode(TaskAssignment(id=f"t{number}", labels=labels, params={"x": "y" * 100}))
        await publish(rig.bus.network.requester, rig.bus.subjects.task("security"), body)
    return await open_source(rig.bus.network, None, rig.bus.subjects.realm)


async def numbers(entries: AsyncIterator[Entry]) -> list[int]:
    return [entry.sequence or 0 async for entry in entries]


@pytest.mark.parametrize("kept_bytes", [1, 500, 10_000_000])
async def test_newest_first_through_windows_of_any_size(
    ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    monkeypatch.setattr(ops.searching, "WINDOW", 4)
    monkeypatch.setattr(ops.searching, "LARGEST_WINDOW", 16)
    monkeypatch.setattr(ops.searching, "KEPT_BYTES", kept_bytes)
    source = await fill(ops_rig, 40)
    red = Filter(labels={"team": "red"})
    place = await stretch(source, red)
    looked: list[int] = []
    assert place == Stretch(1, 40)
    assert await numbers(newest_first(source, Filter(), place, looked.append)) == list(range(40, 0, -1))
    assert (looked[-1], looked) == (40, sorted(looked))
    assert await numbers(newest_first(source, red, place)) == list(range(40, 0, -3))
    assert await numbers(newest_first(source, red, Stretch(11, 20))) == [19, 16, 13]


async def test_oldest_first_and_how_far_it_is(ops_rig: OpsRig) -> None:
    source = await fill(ops_rig, 10)
    looked: list[int] = []
    found = oldest_first(source, Filter(labels={"team": "red"}), Stretch(3, 10), looked.append)
    assert await numbers(found) == [4, 7, 10]
    assert (looked[0], looked[-1]) == (2, 8)


async def test_times_bound_what_is_looked_at(ops_rig: OpsRig) -> None:
    source = await fill(ops_rig, 6)
    times = [entry.stored_at async for entry in oldest_first(source, Filter(), Stretch(1, 6))]
    some = Filter(since=times[2], until=times[4])
    place = await stretch(source, some)
    assert place == Stretch(3, 4)
    assert await numbers(oldest_first(source, some, place)) == [3, 4]
    assert await stretch(source, Filter(since=times[5] + timedelta(hours=1))) == Stretch(7, 6)
    assert (await stretch(source, Filter(until=times[0]))).length == 0
    assert await numbers(newest_first(source, Filter(), Stretch(7, 6))) == []
    assert await numbers(oldest_first(source, Filter(), Stretch(7, 6))) == []


async def test_an_empty_ledger_has_nothing(ops_rig: OpsRig) -> None:
    source = await fill(ops_rig, 0)
    place = await stretch(source, Filter(since=None))
    assert (place.length, await numbers(newest_first(source, Filter(), place))) == (0, [])
