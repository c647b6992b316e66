"""From what a person says on the command line to a schedule, with what is wrong told in the words of that line."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from schemas import Schedule

OPTIONS = {
    "cron": "--cron",
    "timezone": "--timezone",
    "every_s": "--every",
    "at": "--at",
    "input": "--input",
    "labels": "--label",
    "overlap": "--overlap",
    "catch_up_s": "--catch-up",
}
"""What gives each field of a schedule on the command line."""


def described(
    workflow: str,
    *,
    cron: str | None,
    timezone: str,
    every: str | None,
    at: str | None,
    labels: tuple[str, ...],
    overlap: str,
    catch_up: str,
    paused: bool,
) -> dict[str, Any]:
    """Return the fields of a schedule, without its input.

    Raises:
        ValueError: one of them cannot be read.
    """
    from ops.assignments import labels as read_labels
    from ops.cli.times import length_s, point_ahead

    if [cron, every, at].count(None) != 2:
        raise click.UsageError("say when: one of --cron, --every and --at")
    return {
        "workflow": workflow,
        "labels": dict(read_labels(labels)),
        "cron": cron,
        "timezone": timezone,
        "every_s": None if every is None else length_s(every, "--every"),
        "at": None if at is None else point_ahead(at, datetime.now(UTC), "--at"),
        "overlap": overlap,
        "catch_up_s": length_s(catch_up, "--catch-up"),
        "paused": paused,
    }


def checked(fields: dict[str, Any], *, is_new: bool) -> "Schedule":
    """Return the schedule; what is wrong with it is told before it is sent. One that is not new may have a time that is past.

    Raises:
        ValueError: it cannot be kept.
    """
    from clones.schedule_times import InvalidSchedule, check, in_words
    from clones.scheduling import is_missed
    from schemas import Schedule, SchemaError, convert

    try:
        wanted: Schedule = convert(Schedule, fields)
        check(wanted)
    except SchemaError as error:
        raise ValueError(in_options(error.message)) from None
    except InvalidSchedule as error:
        raise ValueError(in_options(str(error))) from None
    if is_new and is_missed(wanted, datetime.now(UTC)):
        raise ValueError(
            f"--at: {in_words(wanted).removeprefix('at ')} is past: write a later time, or a longer --catch-up"
        )
    return wanted


def in_options(message: str) -> str:
    """Return what is wrong with a schedule with the command's options in place of the fields' names."""
    place = re.search(r" - at `\$(?:\.(?:schedule\.)?(\w+))?[^`]*`", message)
    option = ""
    if place is not None:
        message = message[: place.start()] + message[place.end() :]
        option = OPTIONS.get(place[1] or "", "")
    message = re.sub(r"`(\w+)`", lambda found: OPTIONS.get(found[1], found[0]), message)
    return f"{option}: {message}" if option else message


def check_name(name: str) -> None:
    """Refuse what can be no schedule's name.

    Raises:
        ValueError: it cannot.
    """
    from ops.cli.text import clean
    from schemas import is_token

    if not is_token(name):
        raise ValueError(f"{clean(name)!r} is no name of a schedule: those have 1 to 64 of a-z 0-9 _ -")
