"""The audit log: one line for each event."""

import json
import logging

_log = logging.getLogger("gatekeep.audit")
_log.addHandler(logging.FileHandler("/var/log/gatekeep/audit.log", delay=True))


def event(kind: str, who: str, **more: object) -> None:
    """Note an event."""
    _log.info("kind=%s who=%s %s", kind, who, " ".join(f"{key}={value}" for key, value in more.items()))  # seeded: flaw log-injection cross-module


def record(kind: str, who: str, **more: object) -> None:
    """Note an event as JSON, which has no line breaks of its own."""
    _log.info(json.dumps({"kind": kind, "who": who, **more}))  # seeded: twin log-injection sanitised


def counted(kind: str, number: int) -> None:
    """Note how often something happened."""
    _log.info("kind=%s number=%d", kind.replace("\r", "").replace("\n", ""), number)  # seeded: twin log-injection sanitised
