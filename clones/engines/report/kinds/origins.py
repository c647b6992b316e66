"""From where in the history a task looked."""

import msgspec


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """A revision, and how it was chosen."""

    revision: str
    commit: str = ""
    how: str = ""


def said(since: Since | None) -> str:
    """Return it in words; empty for none."""
    if since is None:
        return ""
    short = since.commit[:12]
    at = "" if not short or since.revision.startswith(short) else f" ({short})"
    return f"`{since.revision}`{at}" + (f", {since.how}" if since.how and since.how != "asked for" else "")
