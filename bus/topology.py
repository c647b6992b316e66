"""The streams and consumers of a network, as data, and their idempotent creation.

Two streams carry everything that must not be lost. RESULTS holds exactly one message a result subject: the server refuses
a second one, for any client. LEDGER is one totally ordered log of what was asked, what happened and how it ended, work
queue and audit trail at once; it copies RESULTS by sourcing.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bus.errors import JetStreamError, TopologyMismatch
from bus.jetstream import CONSUMER_NOT_FOUND, STREAM_NOT_FOUND, api
from bus.requests import Requester
from bus.subjects import PRIORITIES, Subjects

ACK_WAIT_S = 5.0
"""A task whose worker is silent this long is delivered again."""
PRIORITY_GROUP = "jobs"
RESULTS_MAX_AGE_S = 30 * 24 * 3600.0
"""Beyond every deadline; the ledger keeps its copies."""
DEDUPLICATION_S = 120.0
MAX_CONSUMERS = 10_000

_STREAM_NAME_IN_USE = 10058

Json = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What may differ between installations, and from one start to the next."""

    ledger_max_bytes: int | None = None
    """The intake valve: with the ledger full, new tasks are refused while results of running ones are still stored.
    -1: none. None: as it is, and none for a new ledger."""


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000_000)


def streams(subjects: Subjects, limits: Limits) -> tuple[Json, ...]:
    """Return the configuration of each stream, in the order they are made in."""
    realm = subjects.realm
    results = {
        "name": subjects.results,
        "subjects": [f"{realm}.settle.*.*"],
        "subject_transform": {
            "src": f"{realm}.settle.*.*",
            "dest": f"{realm}.result.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}",
        },
        # Core subscribers must see stored results only; without this they also see those that are refused a moment later.
        "republish": {"src": f"{realm}.result.>", "dest": f"{realm}.result.>"},
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "discard_new_per_subject": True,
        "max_msgs_per_subject": 1,
        "max_age": _nanoseconds(RESULTS_MAX_AGE_S),
        "duplicate_window": _nanoseconds(DEDUPLICATION_S),
        "deny_delete": True,
        "allow_direct": True,
    }
    ledger: Json = {
        "name": subjects.ledger,
        "subjects": [
            f"{realm}.task.>",
            f"{realm}.handover.*.*",
            f"{realm}.event.*.*",
            f"{realm}.escalation.*.*",
            f"{realm}.command.>",
            f"{realm}.workflow.>",
            f"{realm}.history.*",
            f"{realm}.checkpoint.*",
        ],
        "sources": [{"name": subjects.results}],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_consumers": MAX_CONSUMERS,
        # Submitters may store many tasks with one fsync (`bus.group_commit`).
        "allow_atomic": True,
        "duplicate_window": _nanoseconds(DEDUPLICATION_S),
        "deny_delete": True,
        "allow_direct": True,
    }
    if limits.ledger_max_bytes is not None:
        ledger["max_bytes"] = limits.ledger_max_bytes
    return results, ledger


def _consumer(name: str, filter_subject: str) -> Json:
    return {
        "durable_name": name,
        "name": name,
        # One filter each: two filters on one consumer are ten times slower on a large log.
        "filter_subject": filter_subject,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": _nanoseconds(ACK_WAIT_S),
        # The worker decides about retries from the task's own events; the server must never drop a task silently.
        "max_deliver": -1,
        "max_ack_pending": -1,
        "max_waiting": 4096,
        "replay_policy": "instant",
        "priority_groups": [PRIORITY_GROUP],
        "priority_policy": "prioritized",
    }


def task_consumers(subjects: Subjects, task_type: str, clones: Iterable[str] = ()) -> tuple[Json, ...]:
    """Return the configuration of the durable consumers that bring a type's tasks, `clones` being those that may take them."""
    return (
        *(
            _consumer(subjects.consumer(task_type, priority), subjects.task(task_type, priority))
            for priority in (None, *PRIORITIES)
        ),
        *(
            _consumer(subjects.handover_consumer(task_type, clone), subjects.handover(task_type, clone))
            for clone in clones
        ),
    )


def omega_consumers(subjects: Subjects) -> tuple[Json, ...]:
    """Return the configuration of the durable consumers that bring Omega's work."""
    return (
        _consumer(subjects.commands_consumer, subjects.every("command")),
        _consumer(subjects.escalations_consumer, subjects.every("escalation")),
        _consumer(subjects.workflows_consumer, subjects.workflow("*")),
    )


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return in words each field of `wanted` that `found` has otherwise; fields that the server added do not count."""
    said = []
    for field, value in wanted.items():
        other = found.get(field)
        if isinstance(value, dict) and isinstance(other, dict):
            said += [f"{field}.{text}" for text in differences(value, other)]
        elif field == "sources":
            names = [source["name"] for source in other or ()]
            if names != [source["name"] for source in value]:
                said.append(f"sources: is {names}, should be {[source['name'] for source in value]}")
        elif other != value and not (other is None and value in (False, 0)):
            said.append(f"{field}: is {other!r}, should be {value!r}")
    return said


async def _info(requester: Requester, subject: str, missing: int) -> Json | None:
    try:
        return await api(requester, subject)
    except JetStreamError as error:
        if error.err_code == missing:
            return None
        raise


def _refuse_difference(kind: str, wanted: Json, found: Json, name: str) -> None:
    if said := differences(wanted, found):
        raise TopologyMismatch(
            f"the {kind} {name} exists with another configuration: {'; '.join(said)}. "
            f"Give this network a realm of its own (--realm), or change or remove the {kind} with the nats command line"
        )


async def ensure(
    requester: Requester,
    subjects: Subjects,
    *,
    task_types: Mapping[str, Iterable[str]],
    limits: Limits | None = None,
) -> None:
    """Make the streams and consumers that are missing; leave those that are there as they are.

    `task_types` names the clones that may take tasks of each type. Any number of processes may do this at once.

    Raises:
        TopologyMismatch: one exists with another configuration.
        JetStreamError: the server refused to make one.
    """
    for stream in streams(subjects, limits or Limits()):
        await _ensure_stream(requester, stream)
    await ensure_consumers(requester, subjects, omega_consumers(subjects))
    for task_type, clones in task_types.items():
        await ensure_consumers(requester, subjects, task_consumers(subjects, task_type, clones))


async def ensure_consumers(requester: Requester, subjects: Subjects, wanted: Iterable[Json]) -> None:
    """Make those of the ledger's durable consumers `wanted` that are missing; raises as `ensure`."""
    await asyncio.gather(*(_ensure_consumer(requester, subjects.ledger, consumer) for consumer in wanted))


async def _ensure_stream(requester: Requester, stream: Json) -> None:
    name = stream["name"]
    found = await _info(requester, f"STREAM.INFO.{name}", STREAM_NOT_FOUND)
    if found is None:
        try:
            found = await api(requester, f"STREAM.CREATE.{name}", stream, timeout_s=30)
        except JetStreamError as error:
            if error.err_code != _STREAM_NAME_IN_USE:
                raise
            # Another process made it meanwhile, perhaps with another size.
            found = await api(requester, f"STREAM.INFO.{name}")
    config = found["config"]
    wanted = {"max_bytes": stream.get("max_bytes", config.get("max_bytes"))}
    if set(config["subjects"]) < set(stream["subjects"]):
        # An earlier version made it: a stream that takes more refuses nothing that it took before.
        wanted["subjects"] = stream["subjects"]
    if any(config.get(field) != value for field, value in wanted.items()):
        config |= wanted
        await api(requester, f"STREAM.UPDATE.{name}", config, timeout_s=30)
    _refuse_difference("stream", stream, config, name)


async def _ensure_consumer(requester: Requester, stream: str, consumer: Json) -> None:
    name = consumer["name"]
    found = await _info(requester, f"CONSUMER.INFO.{stream}.{name}", CONSUMER_NOT_FOUND)
    if found is None:
        found = await api(
            requester,
            f"CONSUMER.CREATE.{stream}.{name}.{consumer['filter_subject']}",
            {"stream_name": stream, "config": consumer, "action": "create"},
            timeout_s=30,
        )
    _refuse_difference("consumer", consumer, found["config"], f"{stream}/{name}")


async def missing_consumers(requester: Requester, subjects: Subjects, names: Iterable[str]) -> list[str]:
    """Return those of the consumers `names` that do not exist yet; a worker waits until Omega has made them."""
    wanted = list(names)
    answers = await asyncio.gather(
        *(_info_or_none(requester, f"CONSUMER.INFO.{subjects.ledger}.{name}") for name in wanted),
    )
    return [name for name, answer in zip(wanted, answers, strict=True) if answer is None]


async def _info_or_none(requester: Requester, subject: str) -> Json | None:
    try:
        return await api(requester, subject)
    except JetStreamError as error:
        if error.err_code in (STREAM_NOT_FOUND, CONSUMER_NOT_FOUND):
            return None
        raise
