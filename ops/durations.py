"""Long durations in a few characters. Pure."""


def in_minutes(seconds: float) -> str:
    """Return a duration of a minute or more as its two largest units: `3m20s`, `2h05m`, `4d01h`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m{rest:02}s"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h" if days else f"{hours}h{minutes:02}m"
