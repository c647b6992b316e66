"""What a schedule does when it is due, with its newest run over or not, and after nobody looked for a while."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from clones.scheduling import LATE_S, changed, is_asked, is_missed, move, run_id, start_of, to_cancel, upcoming
from schemas import Schedule, ScheduleInForce

AT = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def record(**fields: Any) -> ScheduleInForce:
    of_schedule = {name: fields.pop(name) for name in tuple(fields) if name in Schedule.__struct_fields__}
    timing = {} if of_schedule.keys() & {"cron", "at"} else {"every_s": 100.0}
    return ScheduleInForce(
        schedule=Schedule(workflow="review", **{**timing, **of_schedule}), **{"at": AT, "command": 7, **fields}
    )


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def moves(start: ScheduleInForce, now: datetime, *, over: bool) -> tuple[list[str], ScheduleInForce]:
    """Everything that a schedule does at a moment; a run that has begun is not over."""
    kinds = []
    while (made := move("nightly", start, now, over=over)) is not None:
        kinds.append(made.kind)
        start = made.record
        over = over and made.kind != "begin"
        assert len(kinds) < 1000
    return kinds, start


def test_nothing_before_it_is_due() -> None:
    assert not is_asked(record(), after(99))
    assert moves(record(), after(99), over=True) == ([], record())


def test_a_run_begins_when_it_is_due() -> None:
    kinds, now = moves(record(labels={"team": "blue"}, input={"target": "."}), after(100.5), over=True)
    assert kinds == ["begin"]
    assert (now.done_until, now.last_due, upcoming(now)) == (after(100), after(100), after(200))
    start = start_of("nightly", now)
    assert (start.id, start.input) == (run_id("nightly", record(), after(100)), {"target": "."})
    assert start.labels == {"schedule": "nightly", "team": "blue"}


def test_the_id_tells_schedules_their_versions_and_times_apart() -> None:
    later, secret = record(command=8), record(secret=SECRET)
    told = (("a", record(), AT), ("b", record(), AT), ("a", later, AT), ("a", record(), after(1)), ("a", secret, AT))
    assert len({run_id(*each) for each in told}) == 5
    # Whoever takes over from another version finds its runs.
    assert run_id("a", record(), AT) == "49f968bcecdb2a90e6ed2463c4ecfb7c"
    assert run_id("a", secret, AT) == "0e750588c4c1fce329a1f23c32e0bbb9"


class TestOverlap:
    """The run before is not over when the next is due, and the one after."""

    def running(self, overlap: str) -> ScheduleInForce:
        return record(overlap=overlap, last_id="before", last_due=AT, done_until=AT)

    def test_skip_starts_none(self) -> None:
        kinds, now = moves(self.running("skip"), after(101), over=False)
        assert (kinds, now.last_id, now.buffered) == (["leave_out"], "before", None)
        assert moves(now, after(150), over=True) == ([], now)  # nor later

    def test_buffer_one_starts_one_when_it_is_over(self) -> None:
        kinds, now = moves(self.running("buffer_one"), after(101), over=False)
        assert (kinds, now.buffered) == (["put_off"], after(100))
        kinds, now = moves(now, after(201), over=False)
        assert (kinds, now.buffered) == (["leave_out"], after(100))
        kinds, now = moves(now, after(250), over=True)
        assert (kinds, now.last_due, now.buffered) == (["begin"], after(100), None)

    def test_cancel_other_starts_the_newest_when_it_is_over(self) -> None:
        kinds, now = moves(self.running("cancel_other"), after(101), over=False)
        assert (kinds, to_cancel(now)) == (["put_off"], "before")
        kinds, now = moves(now, after(201), over=False)
        assert (kinds, now.buffered) == (["put_off"], after(200))
        kinds, now = moves(now, after(202), over=True)
        assert (kinds, now.last_due, to_cancel(now)) == (["begin"], after(200), None)

    def test_allow_all_starts_each(self) -> None:
        kinds, now = moves(self.running("allow_all"), after(101), over=False)
        assert (kinds, now.last_due) == (["begin"], after(100))


class TestNobodyLooked:
    def test_what_is_older_than_the_catching_up_is_missed(self) -> None:
        kinds, now = moves(record(overlap="allow_all", catch_up_s=250), after(1000), over=True)
        assert (kinds, now.last_due) == (["missed", "begin", "begin", "begin"], after(1000))
        assert upcoming(now) == after(1100)

    def test_without_overlap_one_run_makes_up_for_several(self) -> None:
        kinds, now = moves(record(catch_up_s=250), after(1010), over=True)
        assert (kinds, now.last_due) == (["missed", "begin", "leave_out"], after(800))

    def test_a_little_late_is_not_missed(self) -> None:
        assert moves(record(catch_up_s=0), after(100 + LATE_S), over=True)[0] == ["begin"]
        assert moves(record(catch_up_s=0), after(100.1 + LATE_S), over=True)[0] == ["missed"]

    def test_a_start_that_waits_for_the_run_before_is_not_missed(self) -> None:
        waiting = record(overlap="buffer_one", buffered=after(100), done_until=after(100), last_id="before")
        assert moves(waiting, after(190_000), over=True)[0][0] == "begin"

    def test_one_start_that_was_missed_comes_no_more(self) -> None:
        kinds, now = moves(record(at=after(50)), after(1000), over=True)
        assert (kinds, upcoming(now)) == (["missed"], None)
        assert is_missed(now.schedule, after(1000))
        assert not is_missed(now.schedule, after(100))
        assert not is_missed(record().schedule, after(10**9))


class TestPaused:
    @pytest.mark.parametrize("buffered", [None, AT])
    def test_it_does_nothing(self, buffered: datetime | None) -> None:
        paused = record(paused=True, buffered=buffered, last_id="before", overlap="cancel_other")
        assert not is_asked(paused, after(1000))
        assert moves(paused, after(1000), over=True)[0] == []
        assert to_cancel(paused) is None

    def test_resumed_it_counts_on_and_makes_up_for_nothing(self) -> None:
        paused = changed(record(last_id="before"), record(paused=True, command=8))
        paused = replace(paused, schedule=replace(paused.schedule, catch_up_s=86_400))
        new = ScheduleInForce(schedule=replace(paused.schedule, paused=False), at=after(1030), command=9)
        resumed = changed(paused, new)
        assert (resumed.last_id, resumed.command) == ("before", 9)
        assert moves(resumed, after(1090), over=True)[0] == []
        assert upcoming(resumed) == after(1100)


class TestChanged:
    def test_other_times_begin_anew(self) -> None:
        old = record(last_id="before", last_due=AT, done_until=after(900), buffered=after(900))
        new = changed(old, ScheduleInForce(schedule=replace(old.schedule, every_s=50.0), at=after(930), command=8))
        assert (new.at, new.last_id, new.buffered, upcoming(new)) == (after(930), "before", None, after(980))

    def test_one_start_is_not_made_again(self) -> None:
        once = moves(record(at=after(50)), after(50), over=True)[1]
        new = changed(
            once, ScheduleInForce(schedule=replace(once.schedule, labels={"a": "b"}), at=after(60), command=8)
        )
        assert upcoming(new) is None
