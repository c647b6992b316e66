"""Histories that earlier versions wrote still say the same."""

from pathlib import Path

import msgspec
import pytest

from clones.workflows.advance import advance, replay
from clones.workflows.checking import problems
from clones.workflows.commands import Command, SubmitTask
from clones.workflows.state import State
from clones.workflows.views import lines, outstanding
from schemas import WorkflowDefinition, WorkflowEntry
from tests.clones.workflows.golden_histories import GOLDEN, SCENARIOS, as_json, plain_command

FILES = sorted(GOLDEN.glob("*.json"))


class Golden(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    workflow_id: str
    definition: WorkflowDefinition
    entries: tuple[WorkflowEntry, ...]
    commands: list[list[dict[str, object]]]
    lines: list[dict[str, object]]


def test_every_scenario_has_its_file() -> None:
    assert {file.stem for file in FILES} == set(SCENARIOS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_history_leads_to_the_same_commands_and_the_same_end(file: Path) -> None:
    golden = msgspec.json.decode(file.read_bytes(), type=Golden)
    # Its tasks stand for any: their parameters are not those of the product's types.
    assert not [problem for problem in problems(golden.definition) if "params" not in problem.path]
    state: State | None = None
    for entry, wanted in zip(golden.entries, golden.commands, strict=True):
        commands: list[Command] = []
        for event in entry.events:
            state, more = advance(golden.definition, state, event, entry.at, golden.workflow_id, version=entry.version)
            commands += more
        assert [plain_command(command) for command in commands] == wanted, entry.events
        assert state is not None
        asked = {each.task_id for each in outstanding(golden.definition, state) if isinstance(each, SubmitTask)}
        assert asked >= {each.task_id for each in commands if isinstance(each, SubmitTask)}
    assert state is not None
    assert as_json(lines(golden.definition, state)) == golden.lines
    assert replay(golden.definition, golden.workflow_id, golden.entries) == state
