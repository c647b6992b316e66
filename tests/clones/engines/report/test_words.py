"""A language model's words in the report: apart from the findings, marked, and harmless whatever they are."""

from pathlib import Path
from typing import Any

import pytest

from tests.clones.engines.report.inputs import review, section
from tests.clones.engines.report.test_report import Written, write

HEADING = "In the words of a language model"
ADVICE: dict[str, Any] = {
    "model": "parrot-7b",
    "outcome": "given",
    "problem": "",
    "overview": "Mend the shell first.",
    "entries": [
        {
            "about": {"fingerprint": "f17", "title": "A shell gets text", "file": "src/shop/run.py", "line": 17},
            "why": "It runs what it gets.",
            "what_to_do": "Pass a list.",
        }
    ],
    "not_shown": 0,
    "requests": 1,
    "prompt_tokens": 1200,
    "answer_tokens": 80,
    "cost_usd": 0.00123,
    "took_s": 2.5,
}


def written(directory: Path, advice: Any) -> Written:
    return write(review(section("security", advice=advice)), directory)


def test_the_words_stand_under_the_findings_with_the_model_and_what_they_took(tmp_path: Path) -> None:
    for text in written(tmp_path, ADVICE).texts:
        facts, heading, words = text.partition(HEADING)
        assert heading
        assert "Mend the shell first." not in facts
        for said in (
            "Written by parrot-7b about the findings above, and checked by nobody.",
            "Mend the shell first.",
            "A shell gets text",
            "src/shop/run.py:17",
            "what to do Pass a list.",
            "1 request, 1,200 tokens of prompt and 80 of answer, 2.5 s, $0.0012",
        ):
            assert said in words


def test_why_there_are_none_is_told(tmp_path: Path) -> None:
    silent = {"model": "parrot-7b", "outcome": "timeout", "problem": "parrot-7b gave no answer within 60 s"}
    for text in written(tmp_path, silent).texts:
        assert "There are none of parrot-7b: parrot-7b gave no answer within 60 s" in text
        assert "no request was made" in text


def test_words_can_do_no_harm(tmp_path: Path) -> None:
    hostile = (
        "</aside><script>alert(1)</script> ![x](//evil.example/x.png) [y](//evil.example) `<b>` <img src=x onerror=z>"
    )
    entry = {"about": {"title": hostile, "file": hostile, "line": 1}, "why": hostile, hostile: hostile}
    told = written(tmp_path, ADVICE | {"model": hostile, "overview": hostile, "entries": [entry]})
    assert "alert(1)" in told.page.text


@pytest.mark.parametrize("advice", [None, {}, "words", {"model": "m", "outcome": "given", "entries": 3}])
def test_without_words_nothing_is_said_of_a_model(tmp_path: Path, advice: Any) -> None:
    for text in written(tmp_path, advice).texts:
        assert HEADING not in text
        assert "src/shop/run.py:17" in text
