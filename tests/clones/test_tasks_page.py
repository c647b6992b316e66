"""docs/tasks.md has every parameter of every built-in type, with its default."""

import re
from pathlib import Path

import msgspec
import pytest

from clones.params import PARAMS, Gates, TargetParams

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
SECTIONS = {
    name: text
    for heading, _, text in (part.partition("\n") for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:])
    for name in heading.split(", ")
}
ROW = re.compile(r"^\| `(\w+)` \| ([^|\n]+) \|[^|\n]*\|$", re.MULTILINE)
"""Of a table with three columns."""


@pytest.mark.parametrize("task_type", PARAMS)
def test_a_type_s_parameters_and_defaults(task_type: str) -> None:
    known = {each.name for each in msgspec.structs.fields(TargetParams)}
    defaults = {each.name: each.default for each in msgspec.structs.fields(PARAMS[task_type]) if each.name not in known}
    told = dict(ROW.findall(SECTIONS[task_type]))
    assert told == {name: _told(default) for name, default in defaults.items()}


def test_every_gate_is_told() -> None:
    rows = re.findall(r"^\| (`.+`) \| ", SECTIONS["testing"].partition("| gate |")[2], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(Gates.__struct_fields__)


def _told(default: object) -> str:
    if default is None or default in ((), ""):
        return "none"
    return (
        str(default).lower()
        if isinstance(default, bool)
        else f"{default:g}"
        if isinstance(default, float)
        else str(default)
    )
