"""What the index knows of an entry: the kind of subject it stands on, and the ids that it is about. Pure."""

from typing import Any, NamedTuple

import msgspec

from bus.delivery import from_ledger
from bus.records import Record, as_message
from schemas import SchemaError, decode


class Mention(NamedTuple):
    """Of one entry."""

    topic: str
    """The subject behind the realm, without the id that some end with: `event.security`, `task.security.high`, `history`."""
    ids: tuple[str, ...]
    """Of the task or workflow that it is about, and of the one that asked for it. Ids that are the number of the entry itself
    are left out."""


class _Named(msgspec.Struct, frozen=True):
    id: Any = None
    parent_id: Any = None
    task_id: Any = None
    workflow_id: Any = None


def mention(record: Record) -> Mention:
    """Return what the index knows of a record; it need not be well-formed."""
    subject = record.subject.encode("utf-8", "replace").decode()
    _, family, *rest = [*subject.split("."), ""]
    match family:
        case "history":
            return Mention(family, (rest[0],))
        case "event" | "result" if len(rest) > 1:
            return Mention(f"{family}.{rest[0]}", (rest[1],))
    topic = ".".join([family, *rest[:-1]])
    delivery = from_ledger(as_message(record))
    try:
        named: _Named = decode(_Named, delivery.data, delivery.content_type)
    except SchemaError:
        return Mention(topic, ())
    told = (named.id, named.parent_id, named.task_id, named.workflow_id)
    return Mention(topic, tuple({each for each in told if isinstance(each, str)}))


def may_match(topic: str, pattern: str) -> bool:
    """Tell whether entries of a topic may stand on subjects that `pattern` takes: its tokens behind the realm, with wildcards."""
    named = topic.split(".")
    for number, wanted in enumerate(pattern.split(".")):
        if wanted == ">" or number == len(named):
            return True  # what is left may be the id
        if wanted not in ("*", named[number]):
            return False
    return True


def subject_matches(subject: str, pattern: str) -> bool:
    """Tell whether a subject is one that `pattern` takes, wildcards as NATS has them."""
    tokens, wanted = subject.split("."), pattern.split(".")
    if wanted[-1] == ">" and len(tokens) >= len(wanted):
        wanted = wanted[:-1]
        tokens = tokens[: len(wanted)]
    return len(tokens) == len(wanted) and all(each in ("*", token) for each, token in zip(wanted, tokens, strict=True))
