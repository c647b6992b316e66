"""Two versions of small packages are compared, and each statement is checked by its own command."""

from pathlib import Path
from typing import Any

import pytest

from clones.engines.api_changes import analyse
from clones.engines.contract import EngineError, EngineOutput
from clones.params import CompareParams
from schemas import TaskCompletion, TaskFailure
from tests.clones.engines.checking import failed
from tests.clones.engines.history import History
from tests.clones.rig import ClonesRig

BEFORE = {
    "src/shop/__init__.py": '"""A shop."""\n\nfrom shop.till import Till, total\n',
    "src/shop/till.py": '''\
"""The till."""

from typing import TypeVar

T = TypeVar("T")
LIMIT = 10


def total(prices, discount=0):
    return sum(prices)


def change(paid, due): ...


def _rounded(amount): ...


class Drawer:
    def count(self): ...


class Till(Drawer):
    """A till."""

    size = 3

    def open(
        self,
        key,
        *,
        loud=False,
    ):
        return key

    def shut(self): ...

    def count(self): ...
''',
    "src/shop/old.py": "def bygone(): ...\n",
    "tests/test_till.py": "def test_till(): ...\n",
}
NOW: dict[str, str | None] = {
    "src/shop/__init__.py": '"""A shop."""\n\nfrom shop.till import Till\n',
    "src/shop/till.py": '''\
"""The till."""

import warnings


def total(prices, discount=1, currency="EUR"):
    return sum(prices)


def change(due, paid, rate): ...


class Drawer:
    def count(self): ...


class Till(Drawer):
    """A till."""

    def open(
        self,
        key,
        /,
        *,
        loud=False,
        tries=1,
    ):
        return key

    def shut(self):
        warnings.warn("use open", DeprecationWarning)

    @property
    def balance(self):
        return 0
''',
    "src/shop/old.py": None,
    "src/shop/new.py": "RATE = 2\n\n\ndef fresh(): ...\n",
}


def run(target: Path, out: Path, **params: Any) -> EngineOutput:
    out.mkdir()
    return analyse(target, CompareParams(target=str(target), **params), out, lambda _fraction, _message: None)


def statements(output: EngineOutput, name: str) -> dict[str, str]:
    return {change["name"]: change["text"] for change in output.data[name]}


@pytest.fixture
def shop(tmp_path: Path) -> History:
    history = History(tmp_path / "shop")
    history.commit("The shop opens", dict(BEFORE))
    history.git("tag", "v1.0")
    history.commit("The till is rebuilt", NOW)
    return history


def test_what_breaks_is_told_once_with_what_is_new(shop: History, tmp_path: Path) -> None:
    output = run(shop.root, tmp_path / "out")
    assert output.data["since"]["revision"] == "v1.0"
    assert output.data["since"]["how"] == "the newest tag before HEAD"
    assert statements(output, "breaking") == {
        "shop.old": "module `shop.old` is gone",
        "shop.till.LIMIT": "attribute `shop.till.LIMIT` is gone",
        "shop.till.Till.open": "`shop.till.Till.open`: `key` was positional or keyword and is positional-only",
        "shop.till.Till.size": "attribute `shop.till.Till.size` is gone",
        "shop.till.change": "`shop.till.change`: `paid` moved from 0 to 1 (positions count from 0); "
        "`due` moved from 1 to 0 (positions count from 0); demands the new `rate`",
        "shop.total": "`shop.total` can no longer be imported by this name; `shop.till.total` is still there",
    }
    assert statements(output, "risky") == {
        "shop.till.total": "`shop.till.total`: the default of `discount` was `0` and is `1`"
    }
    assert statements(output, "added") == {
        "shop.new": "module `shop.new` is new",
        "shop.till.Till.balance": "property `shop.till.Till.balance` is new",
    }
    assert statements(output, "deprecated") == {
        "shop.till.Till.shut": "method `shop.till.Till.shut` warns of its deprecation, which it did not before"
    }
    assert output.data["suggested"]["part"] == "major"


def test_every_statement_holds_by_its_own_command(shop: History, tmp_path: Path) -> None:
    output = run(shop.root, tmp_path / "out")
    assert sum(output.data["totals"].values()) == 10
    assert failed(shop.root, output.data) == []
    page = (tmp_path / "out" / "api-changes.md").read_text()
    for change in output.data["breaking"]:
        assert f"{change['file']}:{change['line']}" in page
        assert change["how_to_check"] in page


def test_a_release_is_compared_with_the_tag_before_it(shop: History, tmp_path: Path) -> None:
    shop.git("tag", "v2.0")
    assert run(shop.root, tmp_path / "out").data["since"]["revision"] == "v1.0"


def test_a_revision_that_moves_is_told_by_its_hash(shop: History, tmp_path: Path) -> None:
    output = run(shop.root, tmp_path / "out", since="HEAD~1")
    assert output.data["since"]["revision"] == "HEAD~1"
    assert failed(shop.root, output.data) == []
    shop.commit("Nothing more")
    assert failed(shop.root, output.data) == []


def test_the_same_target_gives_the_same_bytes(shop: History, tmp_path: Path) -> None:
    outputs = [run(shop.root, tmp_path / name) for name in ("first", "second")]
    assert outputs[0].data == outputs[1].data
    pages = [(tmp_path / name / "api-changes.md").read_bytes() for name in ("first", "second")]
    assert pages[0] == pages[1]


def test_a_package_below_the_top_of_its_repository(tmp_path: Path) -> None:
    history = History(tmp_path / "mono")
    history.commit("Two projects", {"a/pkg/__init__.py": "def f(): ...\n", "b/other/__init__.py": "def g(): ...\n"})
    history.git("tag", "v1")
    history.commit("Both change", {"a/pkg/__init__.py": "", "b/other/__init__.py": ""})
    output = run(history.root / "a", tmp_path / "out")
    assert statements(output, "breaking") == {"pkg.f": "function `pkg.f` is gone"}
    assert failed(history.root / "a", output.data) == []


def test_a_name_of_another_package_that_is_no_longer_passed_on_is_told_as_gone(tmp_path: Path) -> None:
    history = History(tmp_path / "passing")
    history.commit("It passes on", {"tools.py": "from shlex import quote as quote\n\n__all__ = ['quote']\n"})
    history.git("tag", "v1.0")
    history.commit("It does no longer", {"tools.py": "RATE = 2\n\n__all__ = ['RATE']\n"})
    output = run(history.root, tmp_path / "out")
    assert statements(output, "breaking") == {"tools.quote": "name `tools.quote` is gone"}
    assert failed(history.root, output.data) == []


def test_what_a_base_from_outside_may_provide_is_no_break(tmp_path: Path) -> None:
    history = History(tmp_path / "bases")
    before = "from elsewhere import Base\n\n\nclass Bag(Base):\n    def get(self): ...\n"
    history.commit("A bag", {"bag.py": before, "__main__.py": ""})
    history.git("tag", "v1")
    history.commit("Its base has it", {"bag.py": "from elsewhere import Base\n\n\nclass Bag(Base): ...\n"})
    output = run(history.root, tmp_path / "out")
    assert statements(output, "breaking") == {}
    assert list(statements(output, "risky")) == ["bag.Bag.get"]
    assert failed(history.root, output.data) == []


def test_what_nobody_can_notice_is_not_told(tmp_path: Path) -> None:
    history = History(tmp_path / "quiet")
    before = """\
class Coin(object):

    def __ne__(self, other): ...

    def __nonzero__(self): ...

    def value(self, _cache=None): ...

    def toss(me): ...
"""
    now = """\
class Coin:
    side: str

    def value(self): ...

    def toss(me): ...
"""
    history.commit("A coin", {"coin.py": before})
    history.git("tag", "v1")
    history.commit("The same coin", {"coin.py": now})
    totals = run(history.root, tmp_path / "out").data["totals"]
    assert totals == {"breaking": 0, "risky": 0, "added": 0, "deprecated": 0}


def test_annotations_are_fields_where_a_decorator_makes_them_so(tmp_path: Path) -> None:
    history = History(tmp_path / "fields")
    head = "from dataclasses import dataclass\n\n\n@dataclass\nclass Coin:\n    side: str\n"
    history.commit("A coin", {"coin.py": f"{head}    worth: int\n"})
    history.git("tag", "v1")
    history.commit("Another", {"coin.py": f"{head}    metal: str\n"})
    output = run(history.root, tmp_path / "out")
    assert list(statements(output, "breaking")) == ["coin.Coin.__init__", "coin.Coin.worth"]
    assert list(statements(output, "added")) == ["coin.Coin.metal"]
    assert failed(history.root, output.data) == []


@pytest.mark.parametrize(("files", "says"), [({}, "no git history"), ({"m.py": "A = 1\n"}, "no tag precedes HEAD")])
def test_without_an_earlier_version_nothing_is_claimed(tmp_path: Path, files: dict[str, str], says: str) -> None:
    target = tmp_path / "target"
    if files:
        History(target).commit("One", dict(files))
    else:
        target.mkdir()
    output = run(target, tmp_path / "out")
    assert output.data["ran"] is False
    assert says in output.data["reason"]


def test_a_revision_that_is_not_there_is_told(shop: History, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no revision 'v9'") as raised:
        run(shop.root, tmp_path / "out", since="v9")
    assert raised.value.code == "target_not_found"


async def test_another_target_may_hold_the_earlier_version(clones_rig: ClonesRig) -> None:
    for name, files in (("before", BEFORE), ("now", BEFORE | NOW)):
        for file, content in files.items():
            if content is not None:
                path = clones_rig.workspace / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
    async with clones_rig.clone("sigma"):
        result = await clones_rig.run("api-changes", {"target": "now", "against": "before"})
        mistaken = await clones_rig.run("api-changes", {"target": "now", "against": "v1"})
    assert isinstance(mistaken, TaskFailure)
    assert mistaken.code == "target_not_found"
    assert mistaken.message.startswith("params.against: ")
    assert mistaken.message.endswith("is named by `since`")
    assert isinstance(result, TaskCompletion)
    data = result.output["data"]
    assert data["against"] == str((clones_rig.workspace / "before").resolve())
    assert data["totals"]["breaking"] == 6
    assert failed(clones_rig.workspace / "now", data) == []
