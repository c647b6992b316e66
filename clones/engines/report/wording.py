"""Figures as a person reads them. Rounding never turns a part into a whole: 99.96% stays below 100."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

UNKNOWN = "\N{EN DASH}"


class Some(msgspec.Struct, Generic[T], frozen=True):
    """The first items of a longer list, and how many more there are."""

    items: tuple[T, ...]
    more: int


def some(items: Sequence[T], limit: int, total: int | None = None) -> Some[T]:
    """Return the first `limit` items; `total` where the list itself is a part of something longer."""
    shown = tuple(items[:limit])
    return Some(shown, max(len(items), total or 0) - len(shown))


def duration(seconds: float | None) -> str:
    """Return `340 ms`, `12.3 s`, `4 min 5 s`; an en dash for an unknown one."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def signed(seconds: float) -> str:
    """Return a difference as `duration` does, with its sign."""
    return f"{'-' if seconds < 0 else '+'}{duration(abs(seconds))}"


def percent(value: float | None) -> str:
    """Return one decimal, with the sign; an en dash for an unknown one."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if 99.95 <= value < 100:
        return "99.9%"
    if 0 < value < 0.05:
        return "< 0.1%"
    return f"{value:.1f}%"


def covered(value: float | None) -> str:
    """Return test coverage in percent, cut after one decimal as in Delta's picture: never more than there is."""
    return UNKNOWN if value is None else f"{int(value * 10) / 10:.1f}%"


def number(value: float | None) -> str:
    """Return digits in groups of three; an en dash for None."""
    return UNKNOWN if value is None else f"{value:,}"


def plural(count: int, one: str, many: str = "") -> str:
    """Return `1 module`, `2 modules`, `3 classes` where `many` is given."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def moment(value: datetime | None) -> str:
    """Return a time in UTC to the second; an en dash for None."""
    return UNKNOWN if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(value: datetime) -> str:
    """Return a time of day in UTC to the millisecond."""
    return f"{value.astimezone(UTC):%H:%M:%S}.{value.microsecond // 1000:03d}"


def cut(value: str, limit: int) -> str:
    """Return at most `limit` characters, with an ellipsis for the rest."""
    return value if len(value) <= limit else f"{value[: limit - 1]}…"


def listed(names: Sequence[str], limit: int = 6) -> str:
    """Return names as code between backticks, the first of them where there are many."""
    shown = ", ".join(f"`{name}`" for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def lines(missing: Iterable[Any], limit: int) -> str:
    """Return line numbers as ranges: `3, 7-9, 12`; numbers, pairs, or text as they came."""
    ranges: list[tuple[int, int]] = []
    words: list[str] = []
    for each in missing:
        match each:
            case bool():
                words.append(str(each))
            case int() if ranges and each == ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], each)
            case int():
                ranges.append((each, each))
            case [int() as first, int() as last]:
                ranges.append((first, last))
            case _:
                words.append(str(each))
    words = [*(str(a) if a == b else f"{a}-{b}" for a, b in ranges), *words]
    shown = ", ".join(words[:limit])
    return f"{shown}, … {len(words) - limit} more" if len(words) > limit else shown
