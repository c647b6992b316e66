"""Limits on what a worker takes: how many at once, how many a second, and which share."""

import asyncio
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import throttle
from bus.canary import Share
from bus.consumers import consumer_state
from bus.feeds import Feed, lines
from bus.readiness import Readiness
from bus.throttle import Throttle
from schemas import TaskAssignment
from tests.bus.clock import Clock
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig, Runs, weights
from tests.bus.working import make, working

BOTH = pytest.mark.parametrize("capacity", [12, 96], ids=["few slots", "slots to spare"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(throttle, "time", made)
    return made


def enter_all(limit: Throttle, at_most: int = 10_000) -> int:
    count = 0
    while limit.has_room() and count < at_most:
        limit.enter()
        count += 1
    return count


class TestThrottle:
    def test_so_many_at_once(self, clock: Clock) -> None:
        limit = Throttle(3, None, running=1)
        assert enter_all(limit) == 2
        assert limit.wait_s() == math.inf
        limit.leave()
        assert limit.wait_s() == 0
        assert enter_all(limit) == 1

    def test_so_many_a_second_and_a_second_s_worth_at_once(self, clock: Clock) -> None:
        limit = Throttle(None, 4.0)
        assert enter_all(limit) == 4
        assert limit.wait_s() == pytest.approx(0.25)
        clock.now += 0.5
        assert enter_all(limit) == 2
        clock.now += 60
        assert enter_all(limit) == 4

    def test_less_than_one_a_second(self, clock: Clock) -> None:
        limit = Throttle(None, 0.1)
        assert enter_all(limit) == 1
        assert limit.wait_s() == pytest.approx(10)
        clock.now += 10.001
        assert enter_all(limit) == 1

    def test_other_limits_hold_at_once_and_what_runs_counts(self, clock: Clock) -> None:
        limit = Throttle(None, None)
        assert enter_all(limit, 50) == 50
        limit.set(51, None)
        assert enter_all(limit) == 1
        limit.set(None, 2.0)
        assert enter_all(limit) == 2
        limit.set(None, None)
        assert limit.wait_s() == 0
        assert enter_all(limit, 50) == 50
        limit.set(103, None)
        assert not limit.has_room()

    @given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.5, 20))
    def test_in_any_time_no_more_start_than_the_rate_and_one_burst(self, pauses: list[float], rate: float) -> None:
        with pytest.MonkeyPatch.context() as patch:
            clock = Clock()
            patch.setattr(throttle, "time", clock)
            limit = Throttle(None, rate)
            starts: list[float] = []
            for pause in pauses:
                clock.now += pause
                starts += [clock.now] * enter_all(limit)
        for first in range(len(starts)):
            for last in range(first, len(starts)):
                allowed = max(1.0, rate) + rate * (starts[last] - starts[first])
                assert last - first + 1 <= allowed + 1e-6


class TestShare:
    @pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
    def test_it_comes_to_its_share_and_never_exceeds_it_by_more_than_a_task(self, share: float) -> None:
        chance = random.Random(1)  # noqa: S311  repeatable, not secret
        limit, handed_out, taken = Share(share), 1000, 0
        limit.seen(handed_out)
        for _ in range(2000):
            handed_out += chance.randint(0, 20)  # by others
            while limit.has_room() and chance.random() < 0.999:
                limit.enter()
                taken += 1
                handed_out += 1
                assert taken <= share * (handed_out - 1000) + 1
            limit.seen(handed_out)
        assert taken == pytest.approx(share * (handed_out - 1000), rel=0.02)

    def test_the_first_task_may_be_taken_before_anything_is_known(self) -> None:
        limit = Share(0.1)
        assert limit.has_room()
        limit.enter()
        assert not limit.has_room()
        limit.seen(7)  # the one that was taken is among them
        assert not limit.has_room()
        limit.seen(17)
        assert limit.has_room()

    def test_a_consumer_that_is_made_anew_begins_to_count_anew(self) -> None:
        limit = Share(0.5)
        limit.seen(0)
        limit.enter()
        limit.seen(4)
        limit.seen(1)
        assert [enter_all(limit), limit.has_room()] == [2, False]  # type: ignore[arg-type]
        limit.seen(3)
        assert limit.has_room()


class TestLines:
    def test_few_slots_are_one_line(self) -> None:
        feeds = [Feed(f"c{number}", "t", 1) for number in range(4)]
        (line,) = lines(feeds, 31)
        assert line.in_turn
        assert line.feeds == tuple(feeds)

    def test_with_slots_to_spare_each_has_its_own_and_limited_types_share_one(self) -> None:
        limit = Throttle(1, None)
        feeds = [Feed("a", "t", 8), Feed("b", "u", 3, limits=(limit,)), Feed("c", "u", 8, limits=(limit,))]
        found = {
            line.key: (line.in_turn, line.weight, [feed.consumer for feed in line.feeds]) for line in lines(feeds, 24)
        }
        assert found == {"a": (False, 8, ["a"]), "u in turn": (True, 8, ["b", "c"])}

    def test_nothing_to_pull_from(self) -> None:
        assert lines((), 100) == ()


@BOTH
async def test_no_more_of_a_type_run_at_once_and_the_others_have_all_other_slots(rig: Rig, capacity: int) -> None:
    await make(rig, "slow")
    slow, quick = Runs(), Runs()
    services = rig.service(slow, "slow", concurrency=2), rig.service(quick)
    for number in range(12):
        await rig.submitter.submit("slow", TaskAssignment(id=f"s{number}", params={"held": True}), priority="high")
    async with working(rig, *services, capacity=capacity):
        await eventually(lambda: slow.running == 2)
        await asyncio.gather(*(rig.submit(f"q{number}", {"sleep_s": 0.01}) for number in range(40)))
        await eventually(lambda: quick.has_finished(40))
        assert slow.running == 2
        slow.released.set()
        await eventually(lambda: slow.has_finished(12))
        await eventually(rig.all_settled)
    assert slow.most == 2
    assert len(slow.starts) == 12


@BOTH
async def test_no_more_of_a_type_start_in_a_second(rig: Rig, capacity: int) -> None:
    runs = Runs()
    await asyncio.gather(*(rig.submit(f"t{number}") for number in range(30)))
    before = time.monotonic()
    async with working(rig, rig.service(runs, rate_per_s=10.0), capacity=capacity):
        await eventually(lambda: runs.has_finished(30))
        assert time.monotonic() - before >= 1.9  # ten at once, then ten a second
        await eventually(rig.all_settled)
    assert len(runs.starts) == 30


@BOTH
async def test_limits_change_while_tasks_run(rig: Rig, capacity: int) -> None:
    runs = Runs()
    first = min(capacity, 60)
    await asyncio.gather(*(rig.submit(f"t{number}", {"held": True}) for number in range(first)))
    await asyncio.gather(*(rig.submit(f"t{number}", {"sleep_s": 0.05}) for number in range(first, 80)))
    async with working(rig, rig.service(runs), capacity=capacity) as worker:
        await eventually(lambda: runs.running >= first)
        await worker.serve([rig.service(runs, concurrency=3)])
        runs.released.set()
        await eventually(lambda: worker.in_flight <= 3)
        runs.most = 0
        await eventually(lambda: runs.has_finished(80))
        assert runs.most <= 3
        await worker.serve([rig.service(runs)])
        runs.released.clear()
        await asyncio.gather(*(rig.submit(f"u{number}", {"held": True}) for number in range(12)))
        await eventually(lambda: runs.running >= 9)
        runs.released.set()
        await eventually(rig.all_settled)
    assert len(runs.starts) == 92


async def test_room_that_is_gone_again_when_there_is_a_slot_for_it_is_waited_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was on its way when services changed has taken it."""
    runs, too_soon = Runs(), asyncio.Event()
    any_of = Readiness.any_of

    async def once_at_once(readiness: Readiness, feeds: Sequence[Feed]) -> None:
        if too_soon.is_set():
            await any_of(readiness, feeds)
        too_soon.set()

    async with working(rig, rig.service(runs, concurrency=1), capacity=2) as worker:
        await rig.submit("first", {"held": True})
        await eventually(lambda: runs.running == 1)
        monkeypatch.setattr(Readiness, "any_of", once_at_once)
        heavier = {name: 2 * weight for name, weight in weights(rig.subjects, TYPE).items()}
        await worker.serve([rig.service(runs, concurrency=1, consumers=heavier)])
        await eventually(too_soon.is_set)
        runs.released.set()
        await rig.run()
        await eventually(rig.all_settled)
    assert len(runs.starts) == 2


@BOTH
async def test_bursts_beyond_a_limit_leave_nothing_stuck(patient: Rig, capacity: int) -> None:
    """One task on each priority at once, just when a pull waits on each: the surplus goes back and comes again at once."""
    runs = Runs()
    async with working(patient, patient.service(runs, concurrency=1), capacity=capacity):
        for burst in range(5):
            await asyncio.gather(
                *(
                    patient.submitter.submit(TYPE, TaskAssignment(id=f"b{burst}-{priority}"), priority=priority)
                    for priority in (None, "high", "medium", "low")
                )
            )
            await eventually(lambda count=4 * (burst + 1): runs.has_finished(count))  # type: ignore[misc]
    assert runs.most == 1
    assert Counter(runs.starts).most_common(1)[0][1] == 1


@BOTH
async def test_a_canary_takes_its_share_and_the_rest_goes_to_the_others(patient: Rig, capacity: int) -> None:
    canary, others = Runs(), Runs()
    async with (
        working(patient, patient.service(others), capacity=4, name="old"),
        working(patient, patient.service(canary), capacity=capacity, name="new", share=0.2),
    ):
        for wave in itertools.count():
            await asyncio.gather(*(patient.submit(f"w{wave}-{number}", {"sleep_s": 0.02}) for number in range(10)))
            await eventually(lambda count=10 * (wave + 1): len(canary.finished) + len(others.finished) == count)  # type: ignore[misc]
            state = await consumer_state(patient.network, patient.subjects.consumer(TYPE))
            assert state is not None
            assert len(canary.starts) <= 0.2 * state.delivered.consumer_seq + 1
            if len(canary.starts) >= 30:
                break
    assert len(canary.starts) + len(others.starts) == 10 * (wave + 1)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 2.0])
async def test_what_is_no_share_is_refused_in_words(rig: Rig, share: float) -> None:
    with pytest.raises(ValueError, match=f"a canary's share lies between 0 and 1, and {share:g} does not"):
        async with working(rig, rig.service(Runs()), share=share):
            pass
