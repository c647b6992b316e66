"""Definitions and inputs as people give them on the command line."""

from pathlib import Path
from typing import Any

import pytest

from ops.workflow_input import is_file, read_definition, read_input
from schemas import InputField, Step, WorkflowDefinition

DEFINITION = WorkflowDefinition(
    name="w",
    input={
        "target": InputField(),
        "who": InputField(),
        "count": InputField(kind="integer"),
        "deep": InputField(kind="boolean"),
        "names": InputField(kind="list"),
        "free": InputField(kind="any"),
    },
    steps={"only": Step(task="testing")},
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("review", False),
        ("review.toml", True),
        ("review.json", True),
        ("./review", True),
        ("a/b", True),
        ("r-2", False),
    ],
)
def test_a_file_is_told_from_a_name(name: str, *, expected: bool) -> None:
    assert is_file(name) is expected


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["who=12"], {"who": "12"}),
        (["who=a=b"], {"who": "a=b"}),
        (["who="], {"who": ""}),
        (["count=12", "deep=true"], {"count": 12, "deep": True}),
        (['names=["a", "b"]'], {"names": ["a", "b"]}),
        (['free={"a": 1}'], {"free": {"a": 1}}),
        (["free=text"], {"free": "text"}),
    ],
)
def test_values_are_read_by_their_kinds(pairs: list[str], expected: dict[str, Any]) -> None:
    assert read_input(DEFINITION, pairs, None, None) == expected


def test_pairs_count_before_a_file_and_a_relative_target_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project").mkdir()
    given = tmp_path / "given.json"
    given.write_text('{"who": "file", "count": 3}')
    target = str(tmp_path / "project")
    assert read_input(DEFINITION, ["who=pair"], given, "project") == {"who": "pair", "count": 3, "target": target}
    assert read_input(DEFINITION, ["target=project"], None, None) == {"target": target}
    url = "https://example.org/p.git"
    assert read_input(DEFINITION, [], None, url) == {"target": url}


@pytest.mark.parametrize(
    ("pairs", "text", "target", "words"),
    [
        (["who"], "{}", None, "no key=value"),
        (["=x"], "{}", None, "no key=value"),
        (["names=a,b"], "{}", None, r"written as JSON, such as names='\[\"a\", \"b\"\]'"),
        (["count=many"], "{}", None, "a integer|count"),
        (["whom=me"], "{}", None, "whom"),
        (["target=a"], "{}", "b", "named twice"),
        ([], "[1]", None, "holds no JSON object"),
        ([], "{", None, "is not JSON"),
        ([], "{}", "not-here", "there is no directory 'not-here'"),
    ],
)
def test_what_cannot_be_an_input_is_told(
    pairs: list[str], text: str, target: str | None, words: str, tmp_path: Path
) -> None:
    given = tmp_path / "given.json"
    given.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_input(DEFINITION, pairs, given, target)


def test_each_problem_of_a_file_is_a_line_that_names_its_place(tmp_path: Path) -> None:
    file = tmp_path / "w.toml"
    file.write_text(
        'name = "w"\n\n[steps.a]\ntask = "mine"\nneeds = ["b"]\n\n[steps.c]\ntask = "mine"\nneeds = ["d"]\n'
    )
    with pytest.raises(ValueError) as refused:
        read_definition(file)
    lines = str(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{file}:5", f"{file}:9"]
    assert "steps.a.needs[0]" in lines[0]
