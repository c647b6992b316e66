"""What the network remembers, as pieces to search: results of past tasks, and what people decided, with who and why."""

from collections.abc import Iterator
from typing import Any

from bus.network import Network
from clones.engines.knowledge.index import Entry as Piece
from ops.audit import newest_first
from ops.entries import Entry
from ops.lookup import Wanted, newest
from ops.stories import Story
from schemas import TaskCompletion

MAX_TASKS = 500
"""The newest; each result may have up to a megabyte."""
MAX_COMMANDS = 2000
MAX_TEXT_CHARS = 20_000
"""Of one result: its summary, then its findings in the engine's order."""
RESULT, DECISION = "result", "decision"
"""Kinds of pieces. A result's `file` is its task's id; a decision's `line` is its number in the ledger."""

_TELLING = ("text", "title", "message", "summary", "name", "reason", "code")
_WORDS = {
    "Decision": "decision",
    "WorkflowPut": "workflow definition",
    "RouteChange": "change of the routing table",
    "ScheduleChange": "change of a schedule",
    "RecoveryAction": "recovery of a task",
    "TaskCancel": "cancellation",
}
_WHO_AND_WHY = ("decided_by", "by", "verdict", "action", "step", "comment", "reason", "clone", "name")


async def pieces(network: Network) -> list[Piece]:
    """Return what the network remembers, newest first.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    told = [piece for story in await newest(network, Wanted(), limit=MAX_TASKS) for piece in of_story(story)]
    count = 0
    async for entry in newest_first(network, (network.subjects.every("command"),)):
        told += of_command(entry)
        count += 1
        if count >= MAX_COMMANDS:
            break
    return told


def of_story(story: Story) -> Iterator[Piece]:
    """Yield what a task came to; nothing of one that has not ended."""
    result = story.result
    if result is None:
        return
    lines = [f"{story.state} by {result.clone}, {result.finished_at:%Y-%m-%d %H:%M} UTC"]
    asked = story.assignment.fields if story.assignment else {}
    params = asked.get("params") or asked.get("input")
    if isinstance(params, dict):
        lines += [f"{key}: {value}" for key, value in params.items() if isinstance(value, str | int | float)]
    lines += [f"{key}={value}" for key, value in story.labels.items()]
    if isinstance(result, TaskCompletion):
        lines += [result.summary, *_sentences(result.output)]
    else:
        lines.append(f"{result.code}: {result.message}")
    sequence = story.assignment.sequence if story.assignment else None
    yield Piece(
        kind=RESULT,
        name=f"{story.task_type} {story.task_id}",
        file=story.task_id,
        line=sequence or 0,
        text="\n".join(filter(None, lines))[:MAX_TEXT_CHARS],
    )


def of_command(entry: Entry) -> Iterator[Piece]:
    """Yield a command of a person: what, who and why; nothing of one that cannot be read."""
    words = _WORDS.get(entry.kind)
    if words is None or entry.sequence is None:
        return
    said = [
        f"{field}: {value}" for field in _WHO_AND_WHY if isinstance(value := entry.fields.get(field), str) and value
    ]
    definition = entry.fields.get("definition")
    about = definition.get("name") if isinstance(definition, dict) else entry.task_id
    if isinstance(definition, dict) and isinstance(definition.get("description"), str):
        said.append(definition["description"])
    yield Piece(
        kind=DECISION,
        name=f"{words}{f' of {about}' if about else ''}",
        file="ledger",
        line=entry.sequence,
        text="\n".join([f"{entry.kind}, {entry.stored_at:%Y-%m-%d %H:%M} UTC", *said])[:MAX_TEXT_CHARS],
    )


def _sentences(value: Any) -> Iterator[str]:
    """Yield the words in a result's output that are meant for people, in order; breadth is bounded by the result's size."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as fields:
                told = [str(fields[key]) for key in _TELLING if isinstance(fields.get(key), str)]
                if told:
                    where = f" ({fields['file']}:{fields['line']})" if {"file", "line"} <= fields.keys() else ""
                    yield f"{': '.join(dict.fromkeys(told))}{where}"
                waiting += reversed([each for each in fields.values() if isinstance(each, dict | list)])
            case list() as items:
                waiting += reversed([each for each in items if isinstance(each, dict | list)])
