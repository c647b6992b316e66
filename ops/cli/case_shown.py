"""A case, written for people and as JSON."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click
import msgspec

from ops.case import Case
from ops.cli.results import plain_moments, plain_story, print_moments, print_result
from ops.cli.steps import steps_table
from ops.cli.text import clean, duration, moment, shortened, show, size, table
from ops.spans import PHASES, Span, totals_s

MAX_WORDS = 120
SPANS = ("phase", "attempt", "on", "began", "took", "how it ended")
CHILDREN = ("asked for", "id", "state", "clone", "queued", "ran", "took")
ARTIFACTS = ("artifact", "size", "digest", "object")
COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow", "queued": None}


def print_case(case: Case, now: datetime, users: Mapping[str, str]) -> None:
    """Print a case: what its time went into, what happened, what it asked for, and how it ended.

    `users` are the names of the network's users by their public nkeys, as far as they are known.
    """
    story = case.story
    name = f"workflow {clean(case.workflow)}" if case.workflow else f"{clean(story.task_type)} task"
    state = click.style(story.state, fg=COLOURS.get(story.state, "cyan"), bold=True)
    click.echo(f"{name} {clean(story.task_id)}: {state}")
    for words in _about(case, now, users):
        click.echo(clean(words))
    if case.spans:
        click.echo()
        show(table(SPANS, (_span_row(span, now) for span in case.spans), right=("took",), cut="how it ended"))
    click.echo()
    print_moments(case.moments)
    if story.ignored:
        click.echo(f"and {len(story.ignored)} later or unknown events, which do not count (--entries)")
    if case.steps:
        click.echo()
        show(steps_table(case.steps, now))
    if case.children:
        click.echo()
        rows = list(_child_rows(case, now, 0))
        show(table(CHILDREN, rows, right=("queued", "ran", "took"), cut="asked for", least=("clone", "queued")))
    if story.result is not None:
        click.echo()
        print_result(story.result, steps=False, artifacts=False)
    if case.artifacts:
        click.echo()
        refs = ((ref.filename, size(ref.size_bytes), ref.digest, ref.name) for ref in case.artifacts)
        show(table(ARTIFACTS, refs, right=("size",)))


def _about(case: Case, now: datetime, users: Mapping[str, str]) -> Iterator[str]:
    """Yield what is to be said beside the tables, a line each."""
    story = case.story
    if story.assignment is None:
        yield "Its assignment is not in the ledger."
    else:
        number = "" if story.assignment.sequence is None else f" as #{story.assignment.sequence}"
        yield f"submitted {moment(story.assignment.stored_at)}{number}, {_by(case)}"
    if case.retry_of:
        yield f"it does {case.retry_of} again"
    if story.labels:
        yield "labels " + ", ".join(f"{key}={value}" for key, value in story.labels.items())
    if case.traceparent:
        yield f"trace {case.traceparent}"
    if (signature := case.signature) is not None:
        name = f"{users[signature.key]}, {signature.key}" if signature.key in users else signature.key
        yield f"the result is signed by {name}" + ("" if signature.is_right else ": THE SIGNATURE IS WRONG")
    total = totals_s(case.spans, now)
    if total:
        yield ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in total.items())


def _by(case: Case) -> str:
    return f"for {case.submitter}" if case.submitter else "by whom is not known: NATS hands nobody's identity on"


def _span_row(span: Span, now: datetime) -> tuple[str, ...]:
    return (
        span.phase,
        str(span.attempt or "-"),
        span.instance or "-",
        moment(span.begin),
        duration(span.took_s(now)) + ("" if span.end else " so far"),
        shortened(span.words, MAX_WORDS),
    )


def _child_rows(case: Case, now: datetime, depth: int) -> Iterator[tuple[str, ...]]:
    for child in case.children:
        total = totals_s(child.spans, now)
        story = child.story
        yield (
            "· " * depth + (f"workflow {child.workflow}" if child.workflow else story.task_type),
            story.task_id,
            story.state,
            story.clone or "-",
            duration(total.get("queued")),
            duration(total.get("running")),
            duration(story.took_s),
        )
        yield from _child_rows(child, now, depth + 1)


def plain_case(case: Case, now: datetime, users: Mapping[str, str]) -> dict[str, Any]:
    """Return a case for JSON; durations in seconds, what goes on counted until `now`; `users` as of `print_case`."""
    total = totals_s(case.spans, now)
    signed = case.signature
    return {
        **plain_story(case.story, whole=False),
        "workflow": case.workflow,
        "submitter": case.submitter,
        "retry_of": case.retry_of,
        "traceparent": case.traceparent,
        "signature": signed and {"key": signed.key, "user": users.get(signed.key), "is_right": signed.is_right},
        "totals_s": {phase: total.get(phase, 0.0) for phase in PHASES},
        "spans": [
            {
                "phase": span.phase,
                "attempt": span.attempt,
                "instance": span.instance,
                "begin": span.begin.isoformat(),
                "end": span.end.isoformat() if span.end else None,
                "took_s": span.took_s(now),
                "failed": span.failed,
                "words": span.words,
            }
            for span in case.spans
        ],
        "timeline": plain_moments(case.moments),
        "steps": msgspec.to_builtins(case.steps),
        "artifacts": msgspec.to_builtins(case.artifacts),
        "result": msgspec.to_builtins(case.story.result),
        "children": [plain_case(child, now, users) for child in case.children],
    }
