"""Points in time as people write them."""

import re
from datetime import datetime, timedelta

_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])")
_AGO = re.compile(rf"{_LENGTH.pattern}(?: ago)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def point_in_time(text: str | None, now: datetime, option: str) -> datetime | None:
    """Return the moment that `text` names: so long before `now` (`90s`, `15m`, `2h ago`), or an ISO 8601 time, here without a zone.

    Raises:
        ValueError: it names none.
    """
    if text is None:
        return None
    try:
        if (ago := _AGO.fullmatch(text)) is not None:
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{option} {text!r} is no time: write how long ago, such as 90s, 15m, 2h or 3d, or 2026-11-20T10:00Z"
        ) from None


def length_s(text: str, option: str) -> float:
    """Return the seconds of a length of time (`90s`, `15m`, `2h`, `3d`).

    Raises:
        ValueError: it is none.
    """
    if (found := _LENGTH.fullmatch(text)) is None:
        raise ValueError(f"{option} {text!r} is no length of time: write 90s, 15m, 2h or 3d")
    return float(found[1]) * _SECONDS[found[2]]


def point_ahead(text: str, now: datetime, option: str) -> datetime:
    """Return the moment that `text` names: so long after `now` (`90s`, `15m`, `2h`, `3d`), or an ISO 8601 time, here without a zone.

    Raises:
        ValueError: it names none.
    """
    try:
        if _LENGTH.fullmatch(text):
            return now + timedelta(seconds=length_s(text, option))
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{option} {text!r} is no time: write in how long, such as 90s, 15m, 2h or 3d, or 2026-11-20T10:00Z"
        ) from None
