"""What a person says on the command line, checked before anything is sent."""

from dataclasses import replace
from pathlib import Path

import pytest

from clones.routing import DEFAULT_TABLE
from clones.targets import Directory, parse_target
from ops.assignments import Wanted, absolute, build
from schemas import TaskAssignment

HERE = Wanted(task_type="security", target="/srv/p")


def test_everything_that_is_said_is_sent() -> None:
    wanted = replace(HERE, labels=["a=b", "c=d=e", "empty="], id="mine", timeout_s=1.5, retries=0, cache=True)
    task_type, assignment = build(DEFAULT_TABLE, wanted)
    assert task_type == "security"
    assert assignment == TaskAssignment(
        id="mine",
        params={"target": "/srv/p"},
        timeout_s=1.5,
        retries=0,
        cache="use",
        labels={"a": "b", "c": "d=e", "empty": ""},
    )


def test_what_is_not_said_is_left_to_the_network() -> None:
    _, assignment = build(DEFAULT_TABLE, HERE)
    assert (assignment.id, assignment.timeout_s, assignment.retries, assignment.labels) == (None, None, None, {})


def test_doing_it_anew_is_something_else_than_saying_nothing_of_the_cache() -> None:
    assert [build(DEFAULT_TABLE, replace(HERE, cache=cache))[1].cache for cache in (None, False)] == [None, "refresh"]


@pytest.mark.parametrize(
    ("alias", "task_type"),
    [("security-analysis", "security"), ("architecture-design", "architecture"), ("test-strategy", "testing")],
)
def test_aliases_are_resolved(alias: str, task_type: str) -> None:
    assert build(DEFAULT_TABLE, replace(HERE, task_type=alias))[0] == task_type


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (replace(HERE, task_type="securty"), "no clone serves 'securty'. Known: security, performance"),
        (replace(HERE, target=None), "there is no target: name one with --target"),
        (replace(HERE, target="nowhere"), "there is no directory 'nowhere' here"),
        (replace(HERE, target=None, params='{"target":"nowhere"}'), "there is no directory 'nowhere' here"),
        (replace(HERE, params='{"target":"."}'), "the target is named twice"),
        (replace(HERE, target=None, params='{"target":5}'), "Expected `str`, got `int` - at `$.params.target`"),
        (replace(HERE, target=""), "Expected `str` of length >= 1 - at `$.params.target`"),
        (replace(HERE, params='{"depth":1}'), "unknown field `depth`. It takes: target"),
        (
            replace(HERE, task_type="testing", params='{"pytest_args":"-x"}'),
            "Expected `array`, got `str` - at `$.params.pytest_args`. It takes: target, pytest_args, budget_s",
        ),
        (replace(HERE, params="{"), "--params is not JSON"),
        (replace(HERE, params=""), "--params is not JSON"),
        (replace(HERE, params="\udcff"), "--params is not JSON"),
        (replace(HERE, params="[]"), "--params is no JSON object"),
        (replace(HERE, id="seq-4"), "--id 'seq-4' is no task id"),
        (replace(HERE, id="a b"), "--id 'a b' is no task id"),
        (replace(HERE, id=""), "--id '' is no task id"),
        (replace(HERE, labels=["nothing"]), "--label 'nothing' is no key=value"),
        (replace(HERE, labels=["=value"]), "--label '=value' is no key=value"),
        (replace(HERE, labels=[f"a={'x' * 300}"]), "the task cannot be sent"),
        (replace(HERE, labels=[f"{number}=" for number in range(33)]), "the task cannot be sent"),
    ],
)
def test_what_cannot_be_sent_is_told(wanted: Wanted, said: str) -> None:
    with pytest.raises(ValueError) as told:
        build(DEFAULT_TABLE, wanted)
    assert said in str(told.value)


def test_a_relative_directory_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path)
    assert absolute("project") == str(tmp_path / "project")
    assert absolute(".") == str(tmp_path)
    assert absolute("./project/..") == str(tmp_path)


@pytest.mark.parametrize(
    "target",
    [
        "artifact:uploads/x.tar.gz",
        "https://example.org/project.git#v1.2",
        "ssh://git@example.org/project.git",
        "git@example.org:group/project.git",
        "file:///srv/project.git",
        "/srv/not-on-this-machine",
    ],
)
def test_what_is_no_relative_directory_stays_as_it_is(target: str) -> None:
    assert absolute(target) == target
    # The clones see the same in it.
    assert isinstance(parse_target(target), Directory) == target.startswith("/")
