"""When starts are due: cron as people read it, over the leaps of a zone's clock, intervals, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clones.schedule_times import InvalidSchedule, check, following, in_words, next_due
from schemas import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 1, 1, tzinfo=UTC)


def schedule(**fields: Any) -> Schedule:
    return Schedule(workflow="review", **fields)


def daily(cron: str, zone: str, after: datetime, count: int) -> list[str]:
    """The next due times by the zone's own clock."""
    found = following(schedule(cron=cron, timezone=zone), since=START, after=after, count=count)
    return [due.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z") for due in found]


class TestCron:
    @pytest.mark.parametrize(
        ("cron", "first"),
        [
            ("*/15 * * * *", "2026-01-01 00:15"),
            ("0 0 * * *", "2026-01-02 00:00"),
            ("30 2 * * MON-FRI", "2026-01-01 02:30"),
            ("0 12 1 */3 *", "2026-01-01 12:00"),
            ("0 0 29 2 *", "2028-02-29 00:00"),
            ("0 0 L * *", "2026-01-31 00:00"),
        ],
    )
    def test_the_first_time_behind_a_moment(self, cron: str, first: str) -> None:
        due = next_due(schedule(cron=cron), since=START, after=None)
        assert due is not None
        assert (due.strftime("%Y-%m-%d %H:%M"), due.tzinfo) == (first, UTC)

    def test_a_time_that_the_clock_leaps_over_is_due_when_it_has(self) -> None:
        after = datetime(2026, 3, 28, 12, tzinfo=BERLIN)
        assert daily("30 2 * * *", "Europe/Berlin", after, 3) == ["29 03:00+0200", "30 02:30+0200", "31 02:30+0200"]

    def test_two_times_that_the_clock_leaps_over_are_one(self) -> None:
        after = datetime(2026, 3, 28, 12, tzinfo=BERLIN)
        assert daily("0,30 2 * * *", "Europe/Berlin", after, 2) == ["29 03:00+0200", "30 02:00+0200"]

    def test_a_time_that_the_clock_shows_twice_is_due_the_first_time(self) -> None:
        after = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
        assert daily("30 2 * * *", "Europe/Berlin", after, 2) == ["25 02:30+0200", "26 02:30+0100"]

    def test_in_the_hour_that_the_clock_shows_twice_it_is_not_due_again(self) -> None:
        """Whoever asks in the second of the two hours must not be given the first one's time, which is past."""
        after = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1)
        assert daily("30 2 * * *", "Europe/Berlin", after, 1) == ["26 02:30+0100"]

    def test_every_half_hour_is_half_an_hour_whatever_the_clock_shows(self) -> None:
        after = datetime(2026, 10, 25, 1, 30, tzinfo=BERLIN)
        shown = daily("*/30 * * * *", "Europe/Berlin", after, 6)
        assert [text.partition(" ")[2] for text in shown] == [
            "02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100", "03:00+0100", "03:30+0100",
        ]  # fmt: skip

    def test_a_day_by_the_zone_is_no_day_by_utc(self) -> None:
        assert daily("0 0 * * *", "Pacific/Auckland", START, 1) == ["02 00:00+1300"]

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
    @given(cron=st.sampled_from(["*/7 * * * *", "5 */2 * * *", "0,30 1-3 * * *", "30 2 * * SUN"]), data=st.data())
    def test_times_go_on_and_depend_on_nothing_but_the_moment_before(
        self, zone: str, cron: str, data: st.DataObject
    ) -> None:
        after = data.draw(st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))
        wanted = schedule(cron=cron, timezone=zone)
        times = following(wanted, since=START - timedelta(days=800), after=after, count=8)
        assert len(times) == 8
        for before, due in zip((after, *times), times, strict=False):
            assert due > before
            between = before + (due - before) / 2
            assert next_due(wanted, since=START - timedelta(days=800), after=between) == due


class TestOthers:
    def test_an_interval_counts_from_the_beginning_without_drift(self) -> None:
        wanted = schedule(every_s=0.1 * 15)
        due = next_due(wanted, since=START, after=START + timedelta(days=1000, seconds=0.7))
        assert due == START + timedelta(days=1000, seconds=1.5)
        assert next_due(wanted, since=START, after=due) == START + timedelta(days=1000, seconds=3)
        assert next_due(wanted, since=START, after=None) == START + timedelta(seconds=1.5)

    def test_once(self) -> None:
        at = datetime(2026, 11, 22, 10, tzinfo=BERLIN)
        wanted = schedule(at=at)
        assert following(wanted, since=START, after=None, count=3) == (at,)
        assert next_due(wanted, since=START, after=at - timedelta(seconds=1)) == at
        assert next_due(wanted, since=START, after=at) is None

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"cron": "0 3 * * *", "timezone": "Asia/Tokyo"}, "cron 0 3 * * * Asia/Tokyo"),
            ({"every_s": 90.0}, "every 90 s"),
            ({"at": datetime(2026, 11, 22, 10, tzinfo=BERLIN)}, "at 2026-11-22 09:00:00 UTC"),
        ],
    )
    def test_in_words(self, fields: dict[str, Any], words: str) -> None:
        assert in_words(schedule(**fields)) == words


class TestRefused:
    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({}, r"one of `cron`, `every_s` and `at`, not none"),
            ({"cron": "* * * * *", "every_s": 5.0}, "not cron and every_s"),
            ({"cron": "* * * *"}, r"has not the five fields .* at `\$\.schedule\.cron`"),
            ({"cron": "0 * * * * *"}, "has not the five fields"),
            ({"cron": "* " * 200}, "has not the five fields"),
            ({"cron": "61 * * * *"}, "Bad minute"),
            ({"cron": "* * 30 2 *"}, "Bad day-of-month"),
            ({"cron": "0 0 31 2,4 */8"}, "is no cron expression|never comes"),
            ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, r"'Mars/Olympus' is no time zone"),
            ({"cron": "* * * * *", "timezone": "../../etc/passwd"}, "is no time zone"),
            ({"cron": "* * * * *", "timezone": ""}, "is no time zone"),
            ({"cron": "* * * * *", "timezone": "Europe"}, "is no time zone"),
            ({"every_s": 5.0, "timezone": "Europe/Berlin"}, "goes with `cron`"),
            ({"every_s": 5.0, "labels": {str(number): "" for number in range(32)}}, "at most 31 labels"),
        ],
    )
    def test_what_cannot_be_kept(self, fields: dict[str, Any], problem: str) -> None:
        with pytest.raises(InvalidSchedule, match=problem):
            check(schedule(**fields))

    @given(st.lists(st.text(st.sampled_from("0123456789*/,-#LWMONJA?"), max_size=8), min_size=4, max_size=6), st.text())
    def test_any_text_is_an_expression_or_refused(self, fields: list[str], other: str) -> None:
        for text in (" ".join(fields), other):
            try:
                check(schedule(cron=text))
            except InvalidSchedule:
                continue
