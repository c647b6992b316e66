"""Definitions in files: TOML and JSON say the same, and problems point at the line."""

import json
import tomllib

import msgspec
import pytest

from clones.workflows.problems import InvalidWorkflow
from clones.workflows.reading import MAX_BYTES, MOST_MISFITS, examined, read
from clones.workflows.shipped import shipped
from schemas import InputField, Step, Wait, WorkflowDefinition

TOML = """\
name = "it"

[input.target]
required = true

[steps.a]
task = "x"
params = { at = 2030-01-02T03:04:05Z, list = [1, 2] }

[steps.b]
needs = ["a"]
wait.until = 2030-01-02T03:04:05+01:00
"""


def problems_in(text: str, name: str = "it.toml") -> list[tuple[int | None, str, str]]:
    with pytest.raises(InvalidWorkflow) as caught:
        read(text.encode(), name)
    return [(problem.line, ".".join(map(str, problem.path)), problem.message) for problem in caught.value.problems]


def test_toml_json_and_python_say_the_same() -> None:
    from_toml = read(TOML.encode(), "some/it.toml")
    assert from_toml.steps == {
        "a": Step(task="x", params={"at": "2030-01-02T03:04:05+00:00", "list": [1, 2]}),
        "b": Step(needs=("a",), wait=Wait(until="2030-01-02T03:04:05+01:00")),
    }
    assert read(msgspec.json.encode(from_toml), "IT.JSON") == from_toml
    assert read(b"\xef\xbb\xbf" + TOML.replace("\n", "\r\n").encode(), "it.toml") == from_toml


BAD = """\
name = "it"
colour = "red"

[input.target]
kind = "sting"

[steps.a]
# the type is wrong
task = "T"
params.text = \"\"\"
two
lines\"\"\"
needs = [
  "b",
  7,
]

[steps.b]
task = "x"
decision.promt = "x"
timeout_s = 0

[steps.C]
task = "x"
"""


def test_what_does_not_fit_is_told_with_its_line() -> None:
    found = problems_in(BAD)
    assert [(line, path) for line, path, _ in found] == [
        (2, "colour"),
        (5, "input.target.kind"),
        (9, "steps.a.task"),
        (14, "steps.a.needs.1"),
        (20, "steps.b.decision.promt"),
        (21, "steps.b.timeout_s"),
        (23, "steps.C"),
    ]
    assert "list" in found[1][2]
    assert "did you mean prompt?" in found[4][2]


WRONG = """\
name = "it"
output = { a = "${steps.z}" }
steps.d.task = "x"
steps.d."when" = "steps.a.state"

[steps.a]
task = "x"
needs = [
  # the first is there
  "c",
  "bb",
]
params.deep = [
  { x = "ok" },
  { x = "${nope}" },
]
[steps.c]
task = "x"
"""


def test_what_does_not_hold_together_is_told_with_its_line() -> None:
    found = problems_in(WRONG)
    assert [(line, path) for line, path, _ in found] == [
        (2, "output.a"),
        (4, "steps.d.when"),
        (11, "steps.a.needs.1"),
        (13, "steps.a.params.deep.1.x"),
    ]


def test_json_has_lines_too() -> None:
    text = json.dumps(tomllib.loads(WRONG), indent=2)
    found = problems_in(text, "it.json")
    lines = text.split("\n")
    told = {path: lines[(line or 0) - 1].strip() for line, path, _ in found}
    assert told == {
        "output.a": '"a": "${steps.z}"',
        "steps.d.when": '"when": "steps.a.state"',
        "steps.a.needs.1": '"bb"',
        "steps.a.params.deep.1.x": '"x": "${nope}"',
    }


@pytest.mark.parametrize(
    ("text", "name", "line", "words"),
    [
        ("name = 'it'\n\n[steps", "it.toml", 3, "no TOML"),
        ("name = 'it'\nname = 'it'", "it.toml", 2, "no TOML: Cannot overwrite a value"),
        ('{"name": "it",\n "steps": }', "it.json", 2, "no JSON"),
        ('{"name": "it",\n "name": "it"}', "it.json", 2, "an object has name twice"),
        ('{"name": NaN}', "it.json", None, "NaN is no number"),
        ("[1]", "it.json", 1, "a definition is an object"),
        ("{}", "it.json", 1, "missing required field `name`"),
        ('{"name": "it"}', "it.json", 1, "missing required field `steps`"),
        ('{"name": "it", "steps": 3}', "it.json", 1, "expected `object`, got `int`"),
        ('{"name": "it", "steps": {}}', "it.json", 1, "length >= 1"),
        ("name: it", "it.yaml", None, ".toml or .json"),
        ("[" * 100_000, "it.json", None, "nested too deeply"),
        ("x" * (MAX_BYTES + 1), "it.toml", None, "at most"),
    ],
)
def test_what_is_no_definition_is_told(text: str, name: str, line: int | None, words: str) -> None:
    ((at, _, message),) = problems_in(text, name)
    assert at == line
    assert words in message


def test_what_is_not_utf_8_is_told() -> None:
    with pytest.raises(InvalidWorkflow, match="line 2: the file is not UTF-8"):
        read(b"name = 'it'\n\xff", "it.toml")


MANY = """\
name = "it"
output = "${steps.none}"

[steps.a]
task = "security"
tsk = "security"
retries = -1
params.targt = "${input.here}"

[steps.b]
task = "testing"
foreach = 3
when = "steps.a.output"
params = { target = "${item}", budget_s = 1, pytest_args = ["-x", 2] }

[steps.c]
workflow = "child"
params = { nam = "x", size = "large" }
"""


def test_one_look_tells_all_that_is_wrong() -> None:
    child = WorkflowDefinition(
        name="child",
        input={"name": InputField(required=True), "size": InputField(kind="number")},
        steps={"x": Step(task="x")},
    )
    _, found = examined(MANY.encode(), "it.toml", task_types={"security"}, workflows={"child": child})
    # b has a field that is not understood: what may come of that (its `item`, and what it waits for) is not told.
    assert [(problem.line, ".".join(map(str, problem.path))) for problem in found] == [
        (2, "output"),
        (6, "steps.a.tsk"),
        (7, "steps.a.retries"),
        (8, "steps.a.params.targt"),
        (8, "steps.a.params"),
        (11, "steps.b.task"),
        (12, "steps.b.foreach"),
        (14, "steps.b.params.budget_s"),
        (14, "steps.b.params.pytest_args.1"),
        (18, "steps.c.params.nam"),
        (18, "steps.c.params"),
        (18, "steps.c.params.size"),
    ]


def test_what_is_wrong_without_end_is_told_in_part() -> None:
    fields = "".join(f"field{number} = 1\n" for number in range(3 * MOST_MISFITS))
    definition, found = examined(f"name = 'it'\n[steps.a]\ntask = 'x'\n{fields}".encode(), "it.toml")
    assert definition is None
    assert len(found) == MOST_MISFITS


def test_the_shipped_ones_are_read() -> None:
    assert all(isinstance(definition, WorkflowDefinition) for definition in shipped())
    assert "review" in {definition.name for definition in shipped()}
