"""Drafted property tests: which are drafted, what comes of them when they run, and that they change nothing."""

import ast
import json
import time
from pathlib import Path
from typing import Any

import pytest

from clones.engines.properties import Drafted, Module, draft, look, pairs, writing
from clones.engines.properties.counterexamples import Counterexample, error_of, read
from clones.engines.properties.drafts import Draft
from clones.engines.properties.inputs import inputs
from clones.engines.properties.own_types import own_types
from clones.engines.properties.trying import judge
from clones.engines.triage.running import Failure, Ran
from tests.clones.engines.architecture.projects import write
from tests.clones.engines.claims import wrong

pytestmark = pytest.mark.timeout(900)  # a busy machine takes its time

CODEC = '''"""Pairs as text."""
import json
import os
import shutil
from pathlib import Path


def encode_pairs(pairs: dict[str, str]) -> str:
    return ";".join(f"{key}={value}" for key, value in pairs.items())


def decode_pairs(text: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in text.split(";") if part)


def quote_it(text: str) -> str:
    return json.dumps(text)


def unquote_it(text: str) -> str:
    return json.loads(text)


def port(text: str) -> int:
    """Return a port. Raises ValueError where it is none."""
    return int(text or 80)


def first(words: list[str]) -> str:
    return words[0]


def wipe(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)
    try:
        Path("kept.txt").write_text("gone")
    except OSError:
        pass


def hush(path: str) -> None:
    os.kill(os.getpid(), 0)
'''


SHOP = '''"""Orders."""
import enum
from dataclasses import dataclass, field


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


@dataclass
class Item:
    name: str
    count: int
    size: Size = Size.SMALL
    seen: list = field(default_factory=list, init=False)

    def each(self, total: int) -> int:
        return total // self.count

    def to_text(self) -> str:
        return f"{self.name}:{self.count}"

    @classmethod
    def from_text(cls, text: str) -> "Item":
        name, _, count = text.partition(":")
        return cls(name, int(count))

    def to_pair(self) -> tuple[str, int, str]:
        return self.name, self.count, self.size.name

    @staticmethod
    def from_pair(pair):
        return Item(pair[0], pair[1], Size[pair[2]])


class Basket:
    def __init__(self, limit: int) -> None:
        self.limit = limit

    def room(self, items: list[Item]) -> int:
        return self.limit - len(items)


def label(item: Item) -> str:
    return None if item.size is Size.LARGE else item.name
'''


def module(source: str, name: str = "codec") -> Module:
    return Module(name=name, file=f"{name}.py", tree=ast.parse(source))


def drafts(source: str, *names: str) -> list[Draft]:
    found = [draft(module(source), name) for name in names]
    return [each for each in found if each is not None]


def tried(tmp_path: Path, source: str, *names: str) -> tuple[Drafted, Path]:
    target = write(tmp_path / "target", {"codec.py": source, "kept.txt": "kept"})
    out = tmp_path / "out"
    out.mkdir()
    found = look(target, drafts(source, *names), out, lambda *_: None, deadline=time.monotonic() + 800)
    assert (target / "kept.txt").read_text() == "kept"
    assert sorted(path.name for path in target.iterdir()) == ["codec.py", "kept.txt"]
    return found, target


def test_without_time_nothing_is_copied_or_built(tmp_path: Path) -> None:
    """What was found before is to be told in time: to make an environment alone may take longer than is left."""
    found = look(
        tmp_path / "no target", drafts(CODEC, "first"), tmp_path, lambda *_: None, deadline=time.monotonic() + 5
    )
    assert found.data["tried"] == 0
    assert [note.reason for note in found.notes] == ["what comes before them took the whole budget; allow more time"]


def test_what_runs_is_kept_and_a_counterexample_is_told_with_its_check(tmp_path: Path) -> None:
    found, target = tried(tmp_path, CODEC, "encode_pairs", "quote_it", "port", "first")
    rows = {(row["function"], row["property"]): row for row in found.data["tests"]}
    assert {key: row["outcome"] for key, row in rows.items()} == {
        ("encode_pairs", "round trip"): "fails",
        ("encode_pairs", "returns"): "holds",
        ("encode_pairs", "errors"): "holds",
        ("quote_it", "round trip"): "holds",
        ("quote_it", "returns"): "holds",
        ("quote_it", "errors"): "holds",
        ("port", "returns"): "holds",
        ("port", "errors"): "holds",
        ("first", "returns"): "holds",
        ("first", "errors"): "fails",
    }
    assert rows["first", "errors"]["arguments"] == ["words=[]"]
    assert rows["first", "errors"]["raised"] == "IndexError"
    assert rows["encode_pairs", "round trip"]["expected"] == "False"
    for file in found.files:
        (target / file.name).write_bytes((tmp_path / "out" / file.name).read_bytes())
    telling = [rows["first", "errors"], rows["encode_pairs", "round trip"], rows["quote_it", "round trip"]]
    assert wrong({"tests": telling}, target) == []


def test_own_types_are_made_up_and_methods_are_tried(tmp_path: Path) -> None:
    names = ("Item.each", "Item.to_text", "Item.to_pair", "Basket.room", "label")
    found, target = tried(tmp_path, SHOP, *names)
    rows = {(row["function"], row["property"]): row for row in found.data["tests"]}
    assert {key: row["outcome"] for key, row in rows.items()} == {
        ("Item.each", "returns"): "holds",
        ("Item.each", "errors"): "fails",
        ("Item.to_text", "round trip"): "fails",
        ("Item.to_text", "returns"): "holds",
        ("Item.to_text", "errors"): "holds",
        ("Item.to_pair", "round trip"): "holds",
        ("Item.to_pair", "returns"): "holds",
        ("Item.to_pair", "errors"): "holds",
        ("Basket.room", "returns"): "holds",
        ("Basket.room", "errors"): "holds",
        ("label", "returns"): "fails",
        ("label", "errors"): "holds",
    }
    assert rows["Item.each", "errors"]["raised"] == "ZeroDivisionError"
    assert rows["Item.each", "errors"]["arguments"][0].startswith("made=subject.Item(name=")
    assert "size=subject.Size.LARGE" in rows["label", "returns"]["arguments"][0]
    for file in found.files:
        (target / file.name).write_bytes((tmp_path / "out" / file.name).read_bytes())
    telling = [rows["Item.each", "errors"], rows["label", "returns"], rows["Item.to_text", "round trip"]]
    assert wrong({"tests": [*telling, rows["Item.to_pair", "round trip"]]}, target) == []


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("class C:\n    pass\n", "st.builds(subject.C)"),
        ("class C:\n    def __init__(self, n: int, o=None): ...\n", "st.builds(subject.C, n=st.integers(-1000, 1000))"),
        ("@dataclass(frozen=True)\nclass C:\n    on: bool\n", "st.builds(subject.C, on=st.booleans())"),
        ("class C(NamedTuple):\n    on: bool\n", "st.builds(subject.C, on=st.booleans())"),
        ("class C(Enum):\n    A = 1\n", "st.sampled_from(subject.C)"),
        ("class C(Enum):\n    pass\n", None),
        ("class C(Other):\n    pass\n", None),
        ("class C(metaclass=Other):\n    pass\n", None),
        ("@other\nclass C:\n    pass\n", None),
        ("@dataclass\nclass C:\n    c: C\n", None),
        ("@dataclass\nclass C:\n    n: int\n    def __post_init__(self):\n        assert self.n\n", None),
        ("class C:\n    def __init__(self, n): ...\n", None),
        ("class C:\n    def f(self): return self.set_by_others\n", None),
        ("class C:\n    a = 1\n    def f(self): return self.a, self.f, self.__class__\n", "st.builds(subject.C)"),
        ("class C:\n    def __init__(self, n: int, /): ...\n", None),
    ],
)
def test_an_own_type_is_made_up_where_all_of_it_is(source: str, values: str | None) -> None:
    head = "from dataclasses import dataclass\nfrom typing import NamedTuple\nfrom enum import Enum\n\n\n"
    tree = module(f"{head}{source}")
    found = own_types(tree.tree, tree.origins()).get("C")
    assert (found.values if found is not None else None) == values


def test_made_up_values_delete_and_overwrite_and_kill_nothing(tmp_path: Path) -> None:
    found, _ = tried(tmp_path, CODEC, "wipe", "hush")
    assert found.files == ()
    reasons = {row["function"]: row["reason"] for row in found.data["left_out"]}
    assert "reaches outside of itself (shutil.rmtree)" in reasons["wipe"]
    assert "reaches outside of itself (os.kill)" in reasons["hush"]
    assert {note.subject for note in found.notes} >= {"property tests of wipe", "property tests of hush"}


def test_a_module_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    source = "import there_is_no_such_module\n\n\ndef f(n: int) -> int:\n    return n\n"
    found, _ = tried(tmp_path, source, "f")
    assert found.files == ()
    assert "No module named 'there_is_no_such_module'" in found.data["left_out"][0]["reason"]


def test_nothing_to_draft_makes_no_copy(tmp_path: Path) -> None:
    found = look(tmp_path / "nowhere", [], tmp_path, lambda *_: None, deadline=0.0)
    assert found.data["tests"] == []


def of(source: str) -> dict[str, str] | None:
    function: Any = ast.parse(source).body[-1]
    found = inputs(function, module(source).origins())
    return None if found is None else {each.name: each.values for each in found}


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("n: int", "st.integers(-1000, 1000)"),
        ("n: 'int | None'", "st.integers(-1000, 1000) | st.none()"),
        ("n: typing.Optional[bool]", "st.booleans() | st.none()"),
        ("n: list[tuple[str, int]]", "st.lists(st.tuples(st.text(max_size=30), st.integers(-1000, 1000)), max_size=8)"),
        ("n: tuple[int, ...]", "st.lists(st.integers(-1000, 1000), max_size=8).map(tuple)"),
        ("n: Sequence[bytes]", "st.lists(st.binary(max_size=30), max_size=8)"),
        ("n: dict[str, bool]", "st.dictionaries(st.text(max_size=30), st.booleans(), max_size=8)"),
        ("n: Literal['a', 'b']", "st.sampled_from(['a', 'b'])"),
        ("n: when.date", "st.dates()"),
        ("n=3", "st.integers(-1000, 1000)"),
    ],
)
def test_what_is_made_up_follows_the_annotation_or_the_default(signature: str, values: str) -> None:
    head = (
        "import typing\nimport datetime as when\nfrom typing import Literal\nfrom collections.abc import Sequence\n\n\n"
    )
    assert of(f"{head}def f({signature}):\n    return n\n") == {"n": values}


@pytest.mark.parametrize(
    "source",
    [
        "def f(n: Order):\n    return n\n",
        "def f(n):\n    return n\n",
        "def f(n: list[Order]):\n    return n\n",
        "def f(n: dict[list[int], int]):\n    return n\n",
        "class int: ...\n\n\ndef f(n: int):\n    return n\n",
    ],
)
def test_what_cannot_be_made_up_is_not(source: str) -> None:
    assert of(source) is None


def test_what_a_parameter_takes_is_inferred_from_what_is_done_with_it() -> None:
    assert of("def f(a, b, c):\n    return a.split(','), b.split(b','), c % 2, c > 3\n") == {
        "a": "(st.text(max_size=30) | st.text(',a', max_size=30))",
        "b": "st.binary(max_size=30)",
        "c": "st.integers(-1000, 1000)",
    }


def test_a_default_that_cannot_be_made_up_is_kept_and_so_is_what_stands_behind_it() -> None:
    source = "def f(a: str, b: Order = None, c: int = 1, *, d: bool = False) -> str:\n    return a\n"
    (found,) = drafts(source, "f")
    assert found.properties[0].given == "subject.f(a, c=c, d=d)"


def properties(source: str, name: str) -> dict[str, str]:
    return {
        each.kind: each.holds or ", ".join(each.told) for found in drafts(source, name) for each in found.properties
    }


def test_properties_follow_from_names_annotations_and_what_is_said_to_be_raised() -> None:
    assert properties(
        "def pack(n: int, key: str) -> bytes:\n    ...\ndef unpack(b: bytes, key: str): ...\n", "pack"
    ) == {
        "round trip": "subject.unpack(result, key=key) == n",
        "returns": "isinstance(result, bytes)",
        "errors": "",
    }
    assert properties("def normalize(s: str) -> str | None:\n    assert s\n    raise KeyError(s)\n", "normalize") == {
        "returns": "result is None or isinstance(result, str)",
        "errors": "AssertionError, KeyError",
    }
    assert properties("def clean_up(s: str) -> str:\n    return s\n", "clean_up")["idempotent"] == (
        "subject.clean_up(result) == result"
    )
    assert (
        properties("def truncate(s: str, limit: int) -> str:\n    return s\n", "truncate")["bounds"]
        == "len(result) <= limit"
    )
    assert properties("class Odd(Exception): ...\ndef f(n: int):\n    raise Odd\n", "f") == {"errors": "subject.Odd"}


@pytest.mark.parametrize(
    "source",
    [
        "@app.route('/')\ndef f(n: int): ...\n",
        "def f(n: int):\n    yield n\n",
        "async def f(n: int): ...\n",
        "def f(subject: int): ...\n",
        "def f(): ...\n",
    ],
)
def test_of_what_is_no_plain_function_nothing_is_drafted(source: str) -> None:
    assert drafts(source, "f") == []


def test_functions_that_another_one_undoes() -> None:
    assert pairs(module(CODEC)) == ["encode_pairs", "quote_it"]
    assert pairs(module(SHOP)) == ["Item.to_text", "Item.to_pair"]


def test_a_draft_is_the_same_each_time_and_a_program() -> None:
    (found,) = drafts(CODEC, "encode_pairs")
    text = writing.write(found, found.properties)
    assert text == writing.write(found, found.properties)
    compile(text, "draft", "exec")
    assert writing.file_name(found) == "test_property_codec_encode_pairs.py"


def test_a_counterexample_is_read_from_what_hypothesis_says() -> None:
    said = "ValueError: no\nFalsifying example: test_f(\n    text='a\\n',\n    n=0,  # or any other generated value\n)"
    assert read(said) == Counterexample(arguments=("text='a\\n'", "n=0"), error="ValueError")
    assert read(said.replace("Falsifying example", "Failing test case")) is not None
    assert read("ValueError: no") is None
    assert read("E: x\nFalsifying example: test_f(\n    n=Order(1),\n)") is None
    assert [error_of(text) for text in ("assert 1 == 2", "json.decoder.JSONDecodeError: x")] == [
        "AssertionError",
        "JSONDecodeError",
    ]


def test_a_run_that_was_stopped_says_that_it_may_take_long() -> None:
    (found,) = drafts("def f(n: int) -> int:\n    return n\n", "f")
    file = writing.file_name(found)
    first, second = (writing.name_of_test(found, item) for item in found.properties)
    ran = Ran(
        passed=frozenset({f"{file}::{first}"}),
        failed={},
        order=(),
        interrupted=True,
        exit_status=None,
        duration_s=20.0,
        last_words="",
    )
    judged = judge(found, ran)
    assert [result.item.kind for result in judged.results] == ["returns"]
    assert "may take very long" in judged.left_out[0]
    failed = {f"{file}::{second}": Failure(message="hypothesis.errors.Unsatisfiable: no", said="")}
    ran = Ran(
        passed=frozenset(), failed=failed, order=(), interrupted=False, exit_status=1, duration_s=1.0, last_words="end"
    )
    reasons = judge(found, ran).left_out
    assert any("hardly any of the values" in reason for reason in reasons), json.dumps(reasons)
