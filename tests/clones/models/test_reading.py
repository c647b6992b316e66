"""Questions and answers without a model: what is shown, what is asked for, and which answers are usable."""

from typing import Any

import jsonschema
import msgspec
import pytest

from clones.engine_handler import MAX_INLINE_BYTES
from clones.models.question import MAX_ENTRIES, Form, Item, Question, Share, shown_lines
from clones.models.questions import Explanation, question
from clones.models.reading import Unusable, read
from tests.clones.engines.report.inputs import DATA
from tests.clones.models.replaying import answer

MAX_PAYLOAD_BYTES = 1024 * 1024
"""Of a NATS server, as it comes."""
ITEMS = tuple(Item(about={"title": f"finding {number}", "fingerprint": f"f{number}"}) for number in range(1, 4))
QUESTION = Question(instructions="Explain.", entry=Explanation, items=ITEMS)
FORM = Form.of(QUESTION, len(ITEMS), 1000)


def entry(item: Any, **texts: Any) -> dict[str, Any]:
    return {"item": item, "why": "because", "what_to_do": "mend it", **texts}


def test_an_entry_gets_what_the_engine_says_of_its_item() -> None:
    overview, entries = read(answer(entry(3), entry(1)), FORM, ITEMS)
    assert overview == "Mend the first."
    assert entries == (
        {"about": {"title": "finding 3", "fingerprint": "f3"}, "why": "because", "what_to_do": "mend it"},
        {"about": {"title": "finding 1", "fingerprint": "f1"}, "why": "because", "what_to_do": "mend it"},
    )


def test_a_model_cannot_say_what_an_item_is() -> None:
    _, (told,) = read(answer(entry(1, about={"title": "nothing", "severity": "low"}, title="nothing")), FORM, ITEMS)
    assert told == {"about": {"title": "finding 1", "fingerprint": "f1"}, "why": "because", "what_to_do": "mend it"}


def test_only_the_first_words_on_an_item_count() -> None:
    _, entries = read(answer(entry(2, why="first"), entry(1), entry(2, why="second")), FORM, ITEMS)
    assert [(told["about"]["fingerprint"], told["why"]) for told in entries] == [("f2", "first"), ("f1", "because")]


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here you are:\n{}\nAnything else?"])
def test_an_object_may_have_words_around_it(around: str) -> None:
    assert read(around.format(answer(entry(1))), FORM, ITEMS)[1][0]["why"] == "because"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not the JSON object"),
        ("I cannot do that.", "not the JSON object"),
        ('{"overview": "x"}', "missing required field `entries`"),
        (answer(), "no entries"),
        (answer(entry(4)), "items that are not there: 4; they are numbered 1 to 3"),
        (answer(entry(0), entry(1), entry(-7)), "items that are not there: -7, 0"),
        (answer(entry("f1")), "Expected `int`, got `str`"),
        (answer({"item": 1, "why": "because"}), "missing required field `what_to_do`"),
        (answer(entry(1, why="")), "length >= 1"),
        (answer(entry(1), overview=""), "length >= 1"),
        (answer(entry(1))[:-3], "not the JSON object"),
        ("[" * 5000, "not the JSON object"),
        ('{"overview": "x", "entries": ' + "[" * 100_000 + "]" * 100_000 + "}", "not the JSON object"),
        (answer(entry(1, why=" \n")), "texts that are empty"),
        (answer(entry(1), overview="  "), "texts that are empty"),
    ],
)
def test_an_answer_that_is_none_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(Unusable, match=says.replace("(", r"\(")):
        read(text, FORM, ITEMS)


def test_long_words_are_cut() -> None:
    overview, (told,) = read(answer(entry(1, why="w" * 9999), overview="o" * 9999), FORM, ITEMS)
    assert (len(overview), len(told["why"])) == (FORM.overview_chars, FORM.text_chars)


def test_an_answer_that_fills_its_form_fits_into_its_tokens() -> None:
    form = Form.of(Question(instructions="", entry=Explanation, items=ITEMS * 10), 30, 1000)
    texts = {"why": "w" * form.text_chars, "what_to_do": "d" * form.text_chars}
    full = answer(*(entry(number, **texts) for number in range(1, MAX_ENTRIES + 1)), overview="o" * form.overview_chars)
    jsonschema.validate(msgspec.json.decode(full), form.schema())
    assert len(full) <= 1000 * 2


def test_no_answer_makes_a_result_too_large() -> None:
    items = tuple(Item(about={"title": f"{number}"}) for number in range(100))
    form = Form.of(Question(instructions="", entry=Explanation, items=items), len(items), 1_000_000)
    long = "\\u0001" * 100_000
    entries = [entry(number, why="w", what_to_do="d") for number in range(1, 101)]
    text = (
        answer(*entries, overview="o")
        .replace('"w"', f'"{long}"')
        .replace('"d"', f'"{long}"')
        .replace('"o"', f'"{long}"')
    )
    overview, told = read(text, form, items)
    assert len(told) == MAX_ENTRIES
    assert len(msgspec.json.encode((overview, told))) < MAX_PAYLOAD_BYTES - MAX_INLINE_BYTES


@pytest.mark.parametrize("wrong", [entry(4), entry(1, more="x"), {"item": 1, "why": "x"}])
def test_the_schema_lets_no_other_answer_through(wrong: dict[str, Any]) -> None:
    jsonschema.validate(msgspec.json.decode(answer(entry(1))), FORM.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(msgspec.json.decode(answer(wrong)), FORM.schema())


def test_a_task_s_tokens_hold_both_requests() -> None:
    share = Share.of(24_000)
    prompt = share.prompt_bytes // 3
    assert prompt + share.answer_tokens + (prompt + 2 * share.answer_tokens) <= 24_000


def test_what_has_no_room_is_left_out_from_the_end() -> None:
    items = tuple(Item(about={"title": "t" * 5000, "line": number}) for number in range(50))
    lines = shown_lines(items, 2000)
    assert 0 < len(lines) < 50
    assert sum(map(len, lines)) <= 2000
    assert [msgspec.json.decode(line)["item"] for line in lines] == list(range(1, len(lines) + 1))


def test_an_item_is_one_line_whatever_is_in_it() -> None:
    (line,) = shown_lines([Item(about={"title": 'x"}\n\n{"item": 9, "title": "mine'})], 2000)
    assert "\n" not in line
    assert msgspec.json.decode(line)["item"] == 1


@pytest.mark.parametrize("task_type", DATA)
def test_each_engine_has_its_question(task_type: str) -> None:
    asked = question(task_type, DATA[task_type])
    assert asked is not None
    assert asked.items
    assert all(item.about["title"] for item in asked.items)
    assert "item" in Form.of(asked, 1, 1000).words()


def test_the_worst_findings_are_shown_first_with_their_fingerprints() -> None:
    asked = question("security", DATA["security"])
    assert asked is not None
    assert [item.about["severity"] for item in asked.items] == ["high", "high", "medium", "low"]
    assert asked.items[0].about["fingerprint"] == "f17"


def test_data_of_another_shape_are_not_asked_about() -> None:
    assert question("security", {"findings": 3}) is None
    assert question("translate", {"text": "x"}) is None
