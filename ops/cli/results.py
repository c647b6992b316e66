"""A task's result and story, written for people."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from bus.subjects import WORKFLOW_TYPE
from clones.omega.wording import cancelled
from ops.cli.findings import found
from ops.cli.lines import MAX_TEXT, plain
from ops.cli.text import clean, duration, moment, shortened, size
from ops.hints import command_line
from ops.history_words import of_line
from ops.stories import Story
from ops.timeline import Moment
from schemas import ErrorCode, TaskCompletion, TaskResult, WorkflowCompletion, WorkflowFailure

MAX_FIELDS = 12
MAX_ARTIFACTS = 8
MAX_NOT_ANALYSED = 4
MOMENTS = {
    "submitted": "blue",
    "started": "cyan",
    "progress": "bright_black",
    "retrying": "yellow",
    "reassigned": "yellow",
    "parked": "magenta",
    "escalation": "bright_red",
    "command": "magenta",
    "resumed": "cyan",
    "asked": "blue",
    "waiting": "yellow",
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
}
"""Colours of what happens to a task."""


def print_result(result: TaskResult, *, steps: bool = True, artifacts: bool = True) -> None:
    """Print what became of a task; of a workflow with its `steps`; with the names of its `artifacts`."""
    if steps and isinstance(result, WorkflowCompletion | WorkflowFailure):
        for line in result.steps:
            told = of_line(line)
            click.echo(shortened(f"{line.state} {line.step}{': ' if told else ''}{told}", MAX_TEXT))
    ran = (result.finished_at - result.started_at).total_seconds() if result.started_at else None
    by = f"{result.task_type} by {result.instance}" + (f" in {duration(ran)}" if ran is not None else "")
    if not isinstance(result, TaskCompletion):
        if result.code == ErrorCode.CANCELLED:
            click.secho(_indented(cancelled(result)), fg="yellow", bold=True)
            return
        click.secho(f"failed: {clean(by)}", fg="red", bold=True)
        click.echo(f"  {clean(result.code)}: {_indented(result.message)}")
        if result.retryable:
            click.echo("  A new task with the same parameters may succeed.")
        return
    click.secho(f"completed: {clean(by)}", fg="green", bold=True)
    if result.summary:
        click.echo(f"  {clean(result.summary)}")
    if result.cached_from is not None:
        click.echo(f"  answered from {clean(result.cached_from)}, which did the same; --no-cache does it anew")
    for told in brief(result.output):
        click.echo(f"  {told}")
    if not artifacts:
        return
    for ref in result.artifacts[:MAX_ARTIFACTS]:
        click.echo(f"  artifact {clean(ref.filename)} ({size(ref.size_bytes)}, {clean(ref.media_type)})")
    if len(result.artifacts) > MAX_ARTIFACTS:
        click.echo(f"  and {len(result.artifacts) - MAX_ARTIFACTS} more artifacts")
    if result.artifacts and result.task_type != WORKFLOW_TYPE:
        click.echo(f"  {command_line('task show', result.task_id, options='-o DIR')} writes them, --json prints all")


def _indented(message: str) -> str:
    return "\n    ".join(clean(line) for line in message.splitlines())


def brief(output: Any) -> Iterator[str]:
    """Yield what a result's output says in figures."""
    if not isinstance(output, dict):
        return
    steps = output.get("steps")
    if isinstance(steps, list):
        for step in steps:
            if isinstance(step, dict):
                told = [step.get("summary"), step.get("code"), step.get("message")]
                what = " ".join(str(step.get(field)) for field in ("state", "task_type", "task_id"))
                yield clean(": ".join([what, *(str(words) for words in told if words)]))
        return
    data = output.get("data")
    if isinstance(data, dict):
        shown = ((key, _figure(value)) for key, value in data.items())
        for key, value in [(key, value) for key, value in shown if value][:MAX_FIELDS]:
            yield clean(f"{key}: {value}")
        yield from found(data)
    elif "data_artifact" in output:
        yield f"data: in the artifact {clean(str(output['data_artifact']))}"
    yield from _not_analysed(output)
    advice = output.get("advice")
    if isinstance(advice, dict):
        words = advice.get("overview") or f"no words ({advice.get('problem')})"
        yield shortened(f"{advice.get('model')}, a language model: {words}", MAX_TEXT)


def _not_analysed(output: dict[str, Any]) -> Iterator[str]:
    total = output.get("not_analysed_total")
    listed = output.get("not_analysed")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    for row in rows[:MAX_NOT_ANALYSED]:
        yield shortened(f"not analysed: {row.get('subject')}: {row.get('reason')}", MAX_TEXT)
    more = (total if isinstance(total, int) else len(rows)) - min(len(rows), MAX_NOT_ANALYSED)
    if more > 0:
        yield f"not analysed: {more} more" if rows else f"not analysed: {more}"


def _figure(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return _number(value)
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {_number(each)}" for key, each in value.items() if isinstance(each, bool | int | float)
        )
    return ""


def _number(value: int | float) -> str:
    """Return a number in a few digits; a small one never as 0."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def print_story(story: Story, moments: Sequence[Moment]) -> None:
    """Print a task's way through the network, then its result."""
    colour = {"completed": "green", "failed": "red", "cancelled": "yellow", "queued": None}.get(story.state, "cyan")
    click.echo(
        f"task {clean(story.task_id)}, {clean(story.task_type)}: " + click.style(story.state, fg=colour, bold=True)
    )
    figures = (("waited", story.waited_s), ("ran", story.ran_s), ("took", story.took_s))
    told = [f"{name} {duration(value)}" for name, value in figures if value is not None]
    instances = list(dict.fromkeys(each.instance for each in moments if each.instance and each.kind != "cancelled"))
    if story.attempt:
        told.append(f"attempt {story.attempt}" + (f", on {', '.join(map(clean, instances))}" if instances else ""))
    if told:
        click.echo("; ".join(told))
    if story.assignment is None:
        click.echo("Its assignment is not in the ledger.")
    click.echo()
    print_moments(moments)
    if story.ignored:
        audit = command_line("audit show --entries", story.task_id)
        click.echo(f"and {len(story.ignored)} later or unknown events, which do not count ({audit})")
    if story.result is not None:
        click.echo()
        print_result(story.result)


def print_moments(moments: Sequence[Moment]) -> None:
    """Print what happened to a task, a line each."""
    for before, each in itertools.pairwise((None, *moments)):
        if each is not None:
            _print_moment(each, moments[0], before)


def _print_moment(each: Moment, first: Moment, before: Moment | None) -> None:
    """Print one line: how long after the first, how long after the one before, its number in the ledger, and what happened."""
    number = "-" if each.sequence is None else f"#{each.sequence}"
    when = moment(each.at) if before is None else f"+{duration(_between(first, each))}"
    since = "" if before is None else f"({duration(_between(before, each))})"
    kind = click.style(f"{each.kind:<10}", fg=MOMENTS.get(each.kind))
    click.echo(f"{when:>14} {since:>10} {number:>7} {kind} {shortened(each.words, MAX_TEXT)}".rstrip())


def _between(begin: Moment, end: Moment) -> float:
    # The end is told by its worker's clock, all else by the server's.
    return max(0.0, (end.at - begin.at).total_seconds())


def plain_moments(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    """Return a timeline for JSON: `[{"at", "after_s", "since_s", "sequence", "kind", "attempt", "instance", "words"}]`.

    `after_s` counts from the first moment, `since_s` from the one before.
    """
    return [
        {
            "at": each.at.isoformat(),
            "after_s": _between(moments[0], each),
            "since_s": _between(before, each) if before else 0.0,
            "sequence": each.sequence,
            "kind": each.kind,
            "attempt": each.attempt,
            "instance": each.instance,
            "words": each.words,
        }
        for before, each in itertools.pairwise((None, *moments))
        if each is not None
    ]


def plain_story(story: Story, *, whole: bool) -> dict[str, Any]:
    """Return a story for JSON; `whole` with its events and the result's output."""
    at = {"submitted_at": story.submitted_at, "started_at": story.started_at}
    at["finished_at"] = story.result.finished_at if story.result else None
    shown: dict[str, Any] = {
        "task_id": story.task_id,
        "task_type": story.task_type,
        "sequence": story.assignment.sequence if story.assignment else None,
        "state": story.state,
        "attempt": story.attempt,
        "clone": story.clone,
        "labels": story.labels,
        **{name: value.isoformat() if value else None for name, value in at.items()},
        "waited_s": story.waited_s,
        "ran_s": story.ran_s,
        "took_s": story.took_s,
    }
    if whole:
        shown["assignment"] = plain(story.assignment) if story.assignment else None
        shown["events"] = [plain(told.entry) for told in story.events]
        shown["ignored"] = [plain(entry) for entry in story.ignored]
        shown["result"] = msgspec.to_builtins(story.result)
    elif isinstance(story.result, TaskCompletion):
        shown["summary"] = story.result.summary
    elif story.result is not None:
        shown |= {"code": story.result.code, "message": story.result.message}
    return shown
