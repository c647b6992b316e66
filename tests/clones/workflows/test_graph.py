"""Workflows as pictures."""

from xml.etree import ElementTree as ET

from clones.workflows.graph import mermaid, svg
from clones.workflows.views import lines
from schemas import Approval, InputField, Step, Wait, WorkflowDefinition
from tests.clones.workflows.world import World

DEFINITION = WorkflowDefinition(
    name="it",
    description="A <small> one",
    input={"list": InputField(kind="list")},
    steps={
        "scan": Step(task="security", on_failure="mend", description='says "hello"'),
        "mend": Step(workflow="mending", needs=("scan",)),
        "each": Step(task="testing", foreach="input.list", on_failure="continue"),
        "ask": Step(decision=Approval(prompt="go on?"), needs=("scan", "mend", "each")),
        "nap": Step(wait=Wait(for_s=5), needs=("ask",), when="input.list"),
    },
)


def world() -> World:
    world = World(DEFINITION, list=[1, 2])
    world.end("scan", code="engine_failed")
    world.end("each[0]")
    world.end("each[1]", code="engine_failed")
    world.end("mend")
    return world


def test_mermaid_has_steps_states_and_who_waits_for_whom() -> None:
    text = mermaid(DEFINITION, lines(DEFINITION, world().state)).split("\n")
    assert text[0] == "flowchart TB"
    assert '  n0["scan<br/>security<br/>failed: engine_failed · 1.0 s"]:::failed' in text
    assert '  n1[["mend<br/>workflow mending<br/>completed · 3.0 s"]]:::completed' in text
    assert '  n2["each<br/>testing, 2 times<br/>failed, 1 of 2 failed · 3.0 s"]:::failed' in text
    assert '  n3{{"ask<br/>decision<br/>waiting"}}:::waiting' in text
    assert '  n4(["nap<br/>wait<br/>pending"]):::pending' in text
    assert [line for line in text if line.startswith("  n") and "<br/>" not in line] == [
        "  n0 -. on failure .-> n1",
        "  n0 --> n3",
        "  n1 --> n3",
        "  n2 --> n3",
        "  n3 --> n4",
    ]


def test_the_svg_shows_every_step_with_what_is_known_of_it() -> None:
    for state in (None, world().state):
        root = ET.fromstring(svg(DEFINITION, lines(DEFINITION, state)))  # noqa: S314  our own text
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert {"it", "A <small> one", *DEFINITION.steps} <= set(texts)
        hovers = " ".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title"))
        assert 'says "hello"' in hovers
        assert "when input.list" in hovers
        if state is not None:
            assert {"failed", "completed", "waiting", "pending"} <= set(texts)
            assert "go on?" in hovers


def test_a_picture_of_many_steps_stays_within_its_width() -> None:
    steps = {f"step-{place}": Step(task="x") for place in range(120)}
    definition = WorkflowDefinition(name="wide", steps={**steps, "last": Step(task="x", needs=tuple(steps))})
    root = ET.fromstring(svg(definition, lines(definition, None)))  # noqa: S314  our own text
    width = float(root.attrib["width"])
    boxes = [each for each in root.iter("{http://www.w3.org/2000/svg}rect") if "x" in each.attrib]
    assert len(boxes) == 122
    assert all(0 <= float(box.attrib["x"]) <= width - float(box.attrib["width"]) for box in boxes)
