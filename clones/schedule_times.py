"""When a schedule's starts are due, over the changes of a zone's clocks too, and what is wrong with a schedule. Pure."""

from datetime import UTC, datetime, timedelta
from typing import NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from schemas import Schedule

LABEL = "schedule"
"""The label of a schedule's runs that names it."""
_MAX_LABELS = 32
_MAX_CRON = 256
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class InvalidSchedule(ValueError):
    """A schedule that cannot be kept; the message says what is wrong and where."""


def check(schedule: Schedule) -> None:
    """Look whether the schedule can be kept, whatever its workflow is.

    Raises:
        InvalidSchedule: it cannot.
    """
    given = [name for name in ("cron", "every_s", "at") if getattr(schedule, name) is not None]
    if len(given) != 1:
        _refuse(f"name one of `cron`, `every_s` and `at`, not {' and '.join(given) or 'none'} - at `$.schedule`")
    if schedule.cron is None and schedule.timezone != "UTC":
        _refuse("`timezone` goes with `cron` - at `$.schedule.timezone`")
    if LABEL not in schedule.labels and len(schedule.labels) >= _MAX_LABELS:
        _refuse(f"at most {_MAX_LABELS - 1} labels: its runs carry `{LABEL}` as well - at `$.schedule.labels`")
    if schedule.cron is not None and next_due(schedule, since=_SOME_TIME, after=_SOME_TIME) is None:
        _refuse(f"{schedule.cron!r} never comes - at `$.schedule.cron`")


def next_due(schedule: Schedule, *, since: datetime, after: datetime | None) -> datetime | None:
    """Return the first due time behind `after`, or behind its beginning where that is None; None: none comes any more.

    `since` is when the schedule began. Times are in UTC.

    A `cron` that names hours and minutes is due once a day by its zone's clock, as in Debian's cron: what the clock leaps over
    is due when it has, and what it shows twice is due the first time. One with `*` there follows the time that passes.

    Raises:
        InvalidSchedule: its cron expression or its time zone cannot be read here.
    """
    if schedule.at is not None:
        at = schedule.at.astimezone(UTC)
        return at if after is None or at > after else None
    behind = since if after is None else max(after, since)
    if schedule.every_s is not None:
        every = timedelta(seconds=schedule.every_s)
        return (since + ((behind - since) // every + 1) * every).astimezone(UTC)
    if schedule.cron is None:
        _refuse("it says no time")
    times = _cron(schedule.cron, behind.astimezone(_zone(schedule.timezone)))
    # What the library gives may lie before, in the hour that a clock shows twice, and come twice where a clock leaps.
    return next((due for each in times if (due := each.astimezone(UTC)) > behind), None)


def following(schedule: Schedule, *, since: datetime, after: datetime | None, count: int) -> tuple[datetime, ...]:
    """Return the next `count` due times, fewer where no more come; raises as `next_due`."""
    found: list[datetime] = []
    while len(found) < count and (due := next_due(schedule, since=since, after=found[-1] if found else after)):
        found.append(due)
    return tuple(found)


def in_words(schedule: Schedule) -> str:
    """Return when it is due, for a person: `cron 30 2 * * * Europe/Berlin`, `every 90 s`, `at 2026-11-22 10:00:00 UTC`."""
    if schedule.at is not None:
        return f"at {schedule.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if schedule.every_s is not None:
        return f"every {schedule.every_s:g} s"
    return f"cron {schedule.cron} {schedule.timezone}"


def _cron(expression: str, behind: datetime) -> CronSim:
    # The library takes a sixth field for seconds, and its time to parse grows with the text.
    if len(expression) > _MAX_CRON or len(expression.split()) != 5:
        _refuse(f"{expression[:_MAX_CRON]!r} has not the five fields of crontab(5) - at `$.schedule.cron`")
    try:
        return CronSim(expression, behind)
    except CronSimError as error:
        _refuse(f"{expression!r} is no cron expression: {error} - at `$.schedule.cron`")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        _refuse(f"{name[:_MAX_CRON]!r} is no time zone, such as Europe/Berlin - at `$.schedule.timezone`")


def _refuse(message: str) -> NoReturn:
    raise InvalidSchedule(message)
