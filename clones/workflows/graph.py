"""A workflow as a picture: its steps with how they fare, and which waits for which."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from clones.engines.architecture import layout
from clones.engines.architecture.digraph import levels
from clones.engines.architecture.mermaid import quoted
from clones.engines.svg import FAINT, INK, Picture, shortened_right
from clones.workflows.plan import branch_of, kind_of
from schemas import Step, StepLine, StepState, WorkflowDefinition


class Look(NamedTuple):
    """The colours of a state."""

    fill: str
    frame: str


LOOKS: Mapping[StepState, Look] = {
    "pending": Look("#ffffff", "#94a3b8"),
    "running": Look("#dbeafe", "#2563eb"),
    "waiting": Look("#fef3c7", "#d97706"),
    "completed": Look("#dcfce7", "#16a34a"),
    "failed": Look("#fee2e2", "#dc2626"),
    "skipped": Look("#f8fafc", "#94a3b8"),
    "cancelled": Look("#f1f5f9", "#64748b"),
}
NOT_DONE: frozenset[StepState] = frozenset({"skipped", "cancelled"})
"""The states whose boxes have broken frames."""
SHAPES = {"task": ('["', '"]'), "workflow": ('[["', '"]]'), "decision": ('{{"', '"}}'), "wait": ('(["', '"])')}
"""Mermaid's, by kind."""

ROOM = 1120.0
MARGIN = 40.0
TOP = 92.0
BOX_HEIGHT = 62.0
ROW_GAP = 54.0
WIRE, BRANCH = "#64748b", "#dc2626"
NAME_CHARS, WORDS_CHARS = 34, 40


class Edge(NamedTuple):
    """`after` waits for `before`."""

    before: str
    after: str
    on_failure: bool


def edges(definition: WorkflowDefinition) -> tuple[Edge, ...]:
    """Return who waits for whom; a branch that also needs the step it belongs to has one edge."""
    found: dict[tuple[str, str], Edge] = {}
    for name, step in definition.steps.items():
        for need in step.needs:
            found[need, name] = Edge(need, name, on_failure=False)
    for name, step in definition.steps.items():
        branch = branch_of(step)
        if branch is not None:
            found[name, branch] = Edge(name, branch, on_failure=True)
    return tuple(found.values())


def mermaid(definition: WorkflowDefinition, lines: Iterable[StepLine]) -> str:
    """Return a workflow as a Mermaid flowchart; a failure's branch is a dotted line.

    `definition` has been checked, and `lines` has a line for each of its steps, as all pictures here need it.
    """
    by_step = {line.step: line for line in lines}
    ids = {name: f"n{place}" for place, name in enumerate(definition.steps)}
    rows = ["flowchart TB"]
    for name, step in definition.steps.items():
        opened, closed = SHAPES[kind_of(step)]
        words = "<br/>".join(quoted(part) for part in (name, *_words(step, by_step[name])))
        rows.append(f"  {ids[name]}{opened}{words}{closed}:::{by_step[name].state}")
    for edge in edges(definition):
        arrow = "-. on failure .->" if edge.on_failure else "-->"
        rows.append(f"  {ids[edge.before]} {arrow} {ids[edge.after]}")
    for state in dict.fromkeys(line.state for line in by_step.values()):
        dashes = ",stroke-dasharray:5 4" if state in NOT_DONE else ""
        rows.append(f"  classDef {state} fill:{LOOKS[state].fill},stroke:{LOOKS[state].frame},color:{INK}{dashes}")
    return "\n".join(rows) + "\n"


def svg(definition: WorkflowDefinition, lines: Iterable[StepLine]) -> str:
    """Return a workflow as a self-contained SVG; what more there is to a step shows under the pointer."""
    by_step = {line.step: line for line in lines}
    shown = {name: _words(step, by_step[name]) for name, step in definition.steps.items()}
    widths = {name: _width(name, words) for name, words in shown.items()}
    wires = {(edge.before, edge.after): edge for edge in edges(definition)}
    room = max(ROOM, *widths.values())
    placed = layout.arrange(_layers(definition), sorted(wires), widths, room)
    height = TOP + len(placed.rows) * (BOX_HEIGHT + ROW_GAP) - ROW_GAP + MARGIN
    picture = Picture(room + 2 * MARGIN, height, f"The workflow {definition.name}")
    picture.text(MARGIN, 40, definition.name, size=22, weight=700)
    picture.text(MARGIN, 62, shortened_right(definition.description, 130), size=13, fill=FAINT)
    _legend(picture, [line.state for line in by_step.values()])
    _wires(picture, placed, wires)
    for row in placed.rows:
        for item in row:
            if item.kind == "box":
                left, width = MARGIN + placed.centre[item] - widths[item.name] / 2, widths[item.name]
                _box(
                    picture,
                    left,
                    _top(item.row),
                    width=width,
                    step=definition.steps[item.name],
                    line=by_step[item.name],
                )
    return picture.render()


def _layers(definition: WorkflowDefinition) -> list[list[str]]:
    """Return the steps by the longest way that leads to each."""
    before: dict[str, list[str]] = {name: [] for name in definition.steps}
    for edge in edges(definition):
        before[edge.after].append(edge.before)
    depth = levels(before)
    found: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in definition.steps:
        found[depth[name]].append(name)
    return found


def _top(row: int) -> float:
    return TOP + row * (BOX_HEIGHT + ROW_GAP)


def _width(name: str, words: Sequence[str]) -> float:
    longest = max(len(shortened_right(part, WORDS_CHARS)) for part in words)
    return max(120.0, 8.4 * len(shortened_right(name, NAME_CHARS)) + 28, 6.6 * longest + 28)


def _words(step: Step, line: StepLine) -> tuple[str, str]:
    """Return what stands under a step's name: what it is, and how it fares."""
    kind = step.task or (f"workflow {step.workflow}" if step.workflow else kind_of(step))
    if step.foreach:
        kind += f", {line.items} times" if line.items is not None else ", for each"
    state: str = line.state
    if line.items_failed and line.items is not None:
        state += f", {line.items_failed} of {line.items} failed"
    elif line.code:
        state += f": {line.code}"
    if line.compensated is not None:
        state += ", undone" if line.compensated == "done" else ", not undone"
    if line.started_at is not None and line.finished_at is not None and line.state != "skipped":
        state += f" · {(line.finished_at - line.started_at).total_seconds():.1f} s"
    return kind, state


def _box(picture: Picture, left: float, top: float, *, width: float, step: Step, line: StepLine) -> None:
    look, middle = LOOKS[line.state], left + width / 2
    kind, state = _words(step, line)
    more = (step.description, f"when {step.when}" if step.when else "", line.message, line.task_id or "")
    hover = "\n".join(words for words in (line.step, kind, state, *more) if words)
    dashed, radius = line.state in NOT_DONE, 20 if kind_of(step) in {"decision", "wait"} else 6
    picture.rect(
        left, top, width, BOX_HEIGHT, fill=look.fill, radius=radius, hover=hover, frame=look.frame, dashed=dashed
    )
    picture.text(middle, top + 22, shortened_right(line.step, NAME_CHARS), size=14, anchor="middle", weight=600)
    for place, words in enumerate((kind, state)):
        text = shortened_right(words, WORDS_CHARS)
        picture.text(middle, top + 38 + 15 * place, text, size=11.5, fill=FAINT, anchor="middle")


def _legend(picture: Picture, states: Iterable[StepState]) -> None:
    right = picture.width - MARGIN
    for state in reversed([state for state in LOOKS if state in set(states)]):
        right -= 7.0 * len(state)
        picture.text(right, 40, state, size=12, fill=FAINT)
        right -= 20
        picture.rect(
            right, 29, 14, 14, fill=LOOKS[state].fill, radius=3, frame=LOOKS[state].frame, dashed=state in NOT_DONE
        )
        right -= 16


def _wires(picture: Picture, placed: layout.Layout, wires: Mapping[tuple[str, str], Edge]) -> None:
    for segment in placed.segments:
        colour = BRANCH if all(wires[arc].on_failure for arc in segment.arcs) else WIRE
        start, end = MARGIN + placed.centre[segment.start], MARGIN + placed.centre[segment.end]
        upper = _top(segment.start.row) + BOX_HEIGHT
        lower = _top(segment.end.row)
        if segment.start.kind != "box":
            picture.descent(start, _top(segment.start.row), start, upper, stroke=colour, dashed=colour == BRANCH)
        picture.descent(start, upper, end, lower, stroke=colour, dashed=colour == BRANCH)
        if segment.end.kind == "box":
            picture.point_down(end, lower, fill=colour)
