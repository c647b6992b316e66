"""What a run's history says, in words for people. Pure."""

from schemas import (
    CancelRequested,
    DecisionMade,
    ErrorCode,
    StepEnded,
    StepInvalid,
    StepLine,
    TimerFired,
    WorkflowBegun,
    WorkflowEntry,
    WorkflowEvent,
)


def of_entry(entry: WorkflowEntry) -> str:
    """Return what one entry of a history tells; one without events says who drives the run from then on."""
    if not entry.events:
        return f"{entry.instance} takes the run up"
    return "; ".join(map(of_event, entry.events))


def of_event(event: WorkflowEvent) -> str:
    """Return what one event of a run tells."""
    match event:
        case WorkflowBegun():
            return _begun(event)
        case StepEnded():
            return _ended(event)
        case DecisionMade():
            verdict = "approved" if event.verdict == "approve" else "rejected"
            return _because(f"{event.step} {verdict} by {event.decided_by}", event.comment)
        case TimerFired():
            return f"the time of {event.step} has come" if event.step else "the time of the run is up"
        case CancelRequested():
            asked = "cancel asked for" + (f" by {event.by}" if event.by else "")
            return _because(asked if event.code == ErrorCode.CANCELLED else f"given up: {event.code}", event.reason)
        case StepInvalid():
            return f"{place(event.step, event.index)} cannot begin: {event.code}: {event.message}"


def place(step: str, index: int | None) -> str:
    """Return how a step is named, or one element of its fan-out."""
    return step if index is None else f"{step}[{index}]"


def of_line(line: StepLine, ended: int | None = None) -> str:
    """Return what is to be said of a step beside its state; `ended` elements of its fan-out have ended, where that is known."""
    parts = []
    if line.items is not None and ended is not None and line.state == "running":
        parts.append(f"{ended} of {line.items}")
    elif line.items is not None and not line.message:
        parts.append(f"{line.items} elements")
    if line.items_failed and line.state != "failed":
        # A fan-out that has failed says itself how many of it did.
        parts.append(f"{line.items_failed} failed")
    if line.code or line.message:
        parts.append(": ".join(part for part in (line.code, line.message) if part))
    if line.compensated:
        parts.append("undone" if line.compensated == "done" else "not undone")
    return ", ".join(parts)


def _begun(event: WorkflowBegun) -> str:
    words = "begun"
    if event.retry_of:
        words += f" to {'go on with' if event.resumed else 'run'} {event.retry_of}{'' if event.resumed else ' again'}"
    if event.kept:
        words += f", with {', '.join(dict.fromkeys(kept.step for kept in event.kept))} kept"
    return words + (f", for {event.parent_id}" if event.parent_id else "")


def _ended(event: StepEnded) -> str:
    what = place(event.step, event.index)
    if event.compensation:
        what += " undone" if event.state == "completed" else " not undone"
    else:
        what += f" {event.state}"
    if event.clone:
        what += f" by {event.clone}"
    if event.cached_from:
        what += f" from {event.cached_from}"
    return _because(what, ": ".join(part for part in (event.code, event.message) if part))


def _because(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what
