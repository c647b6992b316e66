"""What holds for every workflow, in whatever order things happen."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from clones.workflows.advance import advance, replay
from clones.workflows.checking import problems
from clones.workflows.commands import CancelTask, CancelWorkflow, StartWorkflow, SubmitTask
from clones.workflows.views import awaited_decisions, expected, kept, lines, outstanding, timers
from schemas import CancelRequested, StepLine, WorkflowBegun, WorkflowEvent
from tests.clones.workflows.drawn import Fate, fates
from tests.clones.workflows.world import RUN, World, id_of, key_of

MANY = settings(max_examples=150, deadline=None, derandomize=True)


def one_of(data: st.DataObject, events: list[tuple[str, WorkflowEvent]]) -> tuple[str, WorkflowEvent]:
    return events[data.draw(st.integers(0, len(events) - 1))]


def lived(fate: Fate, data: st.DataObject, begun: WorkflowBegun | None = None, cancel_after: int = -1) -> World:
    """Return a run that has ended, everything having happened in some order."""
    world = fate.world(begun)
    looked_at(world)
    while world.finish is None:
        if cancel_after == 0:
            world.tell(CancelRequested(by="ann", command=1))
        else:
            events = fate.next_events(world)
            assert events, "nothing can happen any more, and the run has not ended"
            key, event = one_of(data, events)
            world.open.pop(key, None)
            world.tell(event)
        cancel_after -= 1
        looked_at(world)
    return world


def looked_at(world: World) -> None:
    """Check what holds at any time."""
    definition, state = world.definition, world.state
    for entry in world.entries:
        again, commands = advance(definition, state, entry.events[0], world.at, RUN, version=3)
        assert again is state
        assert commands == ()
    told = outstanding(definition, state)
    wanted = {each.task_id for each in expected(definition, state)}
    assert wanted == {id_of(command) for command in world.open.values()}
    if state.failure is None:
        assert {key_of(each): each for each in told if isinstance(each, (SubmitTask, StartWorkflow))} == world.open
    elif world.finish is None:
        cancels = [each for each in told if isinstance(each, (CancelTask, CancelWorkflow))]
        undoing = [each for each in told if isinstance(each, SubmitTask)]
        assert {each.step for each in cancels} == {command.step for command in world.open.values() if not undoing}
        assert all(each.compensation for each in undoing)
        assert timers(definition, state) == ()
        assert awaited_decisions(definition, state) == ()
    assert len(lines(definition, state)) == len(definition.steps)


def timeless(world: World) -> list[StepLine]:
    return [
        msgspec.structs.replace(line, started_at=None, finished_at=None)
        for line in lines(world.definition, world.state)
    ]


@MANY
@given(fate=fates(), data=st.data())
def test_a_run_ends_the_same_in_whatever_order_things_happen(fate: Fate, data: st.DataObject) -> None:
    assert problems(fate.definition) == ()
    one, other = lived(fate, data), lived(fate, data)
    assert one.finish is not None
    assert other.finish is not None
    assert one.finish.completed == other.finish.completed
    if one.finish.completed:
        assert one.finish == other.finish
        assert timeless(one) == timeless(other)
        assert {key: command.index for key, command in one.asked.items()} == {
            key: command.index for key, command in other.asked.items()
        }
        assert all(line.state in {"completed", "failed", "skipped"} for line in timeless(one))


@MANY
@given(fate=fates(), data=st.data(), cancel_after=st.integers(-1, 6))
def test_of_a_run_that_fails_everything_done_is_undone(fate: Fate, data: st.DataObject, cancel_after: int) -> None:
    world = lived(fate, data, cancel_after=cancel_after)
    assert world.finish is not None
    ends = {(end.step, end.index): end for entry in world.entries for end in entry.events if hasattr(end, "output")}
    done = {
        key
        for key, command in world.asked.items()
        if not key.endswith("!")
        and fate.definition.steps[command.step].compensate is not None
        and ends[command.step, command.index].state == "completed"
    }
    undone = {key.removesuffix("!") for key in world.asked if key.endswith("!")}
    assert undone == (set() if world.finish.completed else done)


@MANY
@given(fate=fates(), data=st.data())
def test_a_history_makes_the_same_state_again(fate: Fate, data: st.DataObject) -> None:
    world = lived(fate, data)
    stored = [msgspec.json.decode(msgspec.json.encode(entry), type=type(entry)) for entry in world.entries]
    assert replay(fate.definition, RUN, stored) == world.state


@MANY
@given(fate=fates(), data=st.data(), cancel_after=st.integers(-1, 6))
def test_a_run_that_resumes_another_ends_as_if_nothing_had_failed(
    fate: Fate, data: st.DataObject, cancel_after: int
) -> None:
    failed = lived(fate, data, cancel_after=cancel_after)
    ended, skipped = kept(fate.definition, failed.state)
    begun = WorkflowBegun(input=failed.state.begun.input, retry_of=RUN, resumed=True, kept=ended, skipped=skipped)
    # What failed for good fails no more; what the run had provided for stays as it was.
    handled = {key for key in fate.failing if fate.definition.steps[key.split("[")[0].split()[0]].on_failure != "fail"}
    healed = Fate(fate.definition, frozenset(handled))
    resumed, whole = lived(healed, data, begun), lived(healed, data)
    assert resumed.finish is not None
    assert whole.finish is not None
    again = {(command.step, command.index) for command in resumed.asked.values() if not is_undone(command)}
    assert again.isdisjoint({(end.step, end.index) for end in ended})
    assert resumed.finish.completed == whole.finish.completed
    if resumed.finish.completed:
        assert resumed.finish == whole.finish
        assert {line.step: line.state for line in timeless(resumed)} == {
            line.step: line.state for line in timeless(whole)
        }


def is_undone(command: SubmitTask | StartWorkflow) -> bool:
    return isinstance(command, SubmitTask) and command.compensation
