"""Expressions: their values, what they read, and what of an output is kept for them."""

from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clones.workflows.expressions import BadExpression, expression, template
from clones.workflows.plan import part_of
from clones.workflows.views import needed, pruned
from schemas import Compensation, Step, WorkflowDefinition

NAMES = {"input": {"n": 3, "text": "x", "none": None, "list": [1, "a"]}, "index": 0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${input.n}", 3),
        ("${ input.list }", [1, "a"]),
        ("${input.none}", None),
        ("${input.n} of ${input.text}", "3 of x"),
        ("${input.list}!", '[1, "a"]!'),
        ("${input.none}.", "null."),
        ("${{n: input.n}.n}", 3),
        ("${'}'}", "}"),
        ("${'it\\'s'}${`\"}\"`}", "it's}"),
        ("$${input.n}", "${input.n}"),
        ("$$${input.n}", "$${input.n}"),
        ("costs $5 {or} so", "costs $5 {or} so"),
        ("${index}", 0),
    ],
)
def test_text_is_filled(text: str, value: object) -> None:
    assert template({"at": [text]}).value(NAMES) == {"at": [value]}


@pytest.mark.parametrize(
    "text", ["input.n", "input", 'input."text"', "input.n.more", "input.gone.more", "gone", "input.list.n"]
)
def test_following_fields_finds_what_jmespath_finds(text: str) -> None:
    assert expression(text).value(NAMES) == jmespath.search(text, NAMES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${input.n", "has no end"),
        ("${}", "no JMESPath"),
        ("${!input.none}", "write !(a.b)"),
        ("${steps.my-step.output}", 'steps."my-step"'),
        ("${lenght(input.list)}", "there is no function lenght()"),
        ("${length()}", "length() takes 1 arguments, not 0"),
        ("${merge()}", "merge() takes 1 or more arguments, not 0"),
        ("${" + "(" * 5000 + "}", "nested too deeply"),
    ],
)
def test_what_is_no_expression_is_told(text: str, words: str) -> None:
    with pytest.raises(BadExpression) as caught:
        template(text)
    assert words in str(caught.value)


def test_a_function_that_cannot_take_its_argument_is_told() -> None:
    with pytest.raises(BadExpression, match=r"`length\(input.n\)` has no value here: In function length\(\)"):
        expression("length(input.n)").value(NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "`[1]` | " + " | ".join(["[@, @]"] * 60),
        "`[1]` | " + " | ".join(["{a: @, b: @}"] * 60),
        "`[1]` | " + " | ".join(["[@, @][]"] * 60),
        "'ab' | " + " | ".join(["join('', [@, @])"] * 60),
        "'ab' | " + " | ".join(["[@, @]"] * 18) + " | [][][][][][][][][][][][][][][][][] | join('', @)",
        "input.large | " + " | ".join(["[@, @]"] * 6),
        "[" + " | ".join(["`[1,1,1,1,1,1,1,1,1,1]`"] + ["map(&[@, @, @, @, @, @, @, @, @, @][], @)"] * 9) + "]",
    ],
)
def test_what_takes_more_than_there_is_is_refused(text: str) -> None:
    names = {"input": {"large": "x" * 1_000_000}}
    with pytest.raises(BadExpression, match="asks for too much"):
        expression(text).value(names)


def test_large_values_in_many_places_are_refused() -> None:
    names = {"input": {"large": "x" * 1_000_000}}
    for source in ("${input.large}" * 1000, ["${input.large}"] * 1000):
        with pytest.raises(BadExpression, match="1000 expressions give together is too much"):
            template(source).value(names)
    assert template(["${input.large}"] * 10).value(names) == ["x" * 1_000_000] * 10


def test_all_that_a_large_output_holds_can_be_looked_at() -> None:
    findings = [{"file": f"f{number}", "line": number, "text": "x" * 50} for number in range(30_000)]
    names = {"steps": {"scan": {"output": findings}}}
    found = expression("steps.scan.output[?line > `10`].{file: file, line: line} | sort_by(@, &line)").value(names)
    assert len(found) == 29_989


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("input.n", True),
        ("index", True),
        ("input.none", False),
        ("input.list[5:]", False),
        ("`{}`", False),
        ("''", False),
    ],
)
def test_truth_is_jmespaths(text: str, truth: bool) -> None:
    assert expression(text).holds(NAMES) is truth


@pytest.mark.parametrize(
    ("text", "refs"),
    [
        ("steps.a.output.x.y", {"steps.a.output.x.y"}),
        ("steps.a.output[].f | [0].g", {"steps.a.output.f.g"}),
        ("steps.a.output[?n > `1`].f", {"steps.a.output.n", "steps.a.output.f"}),
        ("[steps.a, steps.b][?task_id].{t: task_type}", {f"steps.{s}.{f}" for s in "ab" for f in ("task_id", "task_type")}),
        ("sort_by(steps.a.output, &n)[0].m", {"steps.a.output"}),
        ("steps.a.output.*.n", {"steps.a.output"}),
        ("(steps.a.output || input.n).x", {"steps.a.output", "input.n"}),
        ("{a: steps.a.output.b}.a.c", {"steps.a.output.b"}),
        ("steps.a.output.list[1:2].z", {"steps.a.output.list.z"}),
        ("@", {""}),
        ("`1`", set()),
    ],
)  # fmt: skip
def test_what_an_expression_reads_is_known(text: str, refs: set[str]) -> None:
    assert {".".join(ref) for ref in expression(text).refs} == refs


def test_of_an_output_that_is_kept_which_is_read() -> None:
    definition = WorkflowDefinition(
        name="it",
        steps={
            "a": Step(task="x", compensate=Compensation(task="y", params={"id": "${steps.a.output.id}"})),
            "each": Step(task="x", foreach="steps.a.output.list", needs=("a",)),
            "b": Step(
                task="x", needs=("each",), params={"n": "${steps.each.items[].output.n}", "f": "${steps.a.artifacts}"}
            ),
            "whole": Step(task="x"),
        },
        output="${steps.whole}",
        artifacts=("b",),
    )
    assert pruned(definition, "a", {"id": 1, "list": [{"x": 1}], "log": "long"}) == {"id": 1, "list": [{"x": 1}]}
    assert pruned(definition, "each", {"n": 1, "log": "long"}) == {"n": 1}
    assert pruned(definition, "b", {"n": 1}) is None
    assert pruned(definition, "whole", [1]) == [1]
    assert [needed(definition, step).artifacts for step in definition.steps] == [True, False, True, True]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
EXPRESSIONS = [
    "o.a", "o.a.b", "o[].a", "o[*].b.c", "o[?a].b", "o[?a == `1`].{x: b, y: c}", "o.a || o.b", "o.a && o.b.c", "!(o.a)",
    "[o.a, o.b][?c].a", "[o.a, o.b][]", "o.*.a", "not_null(o.a, o.b.c)", "o[0].a", "o[-1].b[0]", "o.a[1:].b", "o | a.b",
    "{x: o.a}.x.b", "type(o.a)", "o[?b && !c].a | [0]", "o.a == o.b", "[o][].a", "o[].[a, b]", "o.{x: a.b}", "(o || `1`).a",
]  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(output=VALUES)
def test_what_is_kept_gives_the_same_value(output: Any) -> None:
    for text in EXPRESSIONS:
        each = expression(text)
        kept = part_of(output, [ref[1:] for ref in each.refs])
        assert each.value({"o": kept}) == each.value({"o": output}), text
