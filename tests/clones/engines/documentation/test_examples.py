"""Examples of documents and docstrings, run: what fails is found with its line, what says nothing of the document is not."""

from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineOutput
from clones.engines.documentation import analyse, engine
from clones.params import DocumentationParams
from tests.clones.engines.checking import failed
from tests.clones.engines.documentation.test_documents import write

SHOP = '''"""A shop.

>>> total([1, 2])
3
>>> total([1, 2]) + hidden()
40
"""

from shop._rates import RATE


class TillError(Exception):
    """What a till says."""


def hidden():
    return 39


def total(prices):
    """Add up.

    >>> total([2, 2])
    5

    >>> total([])
    Traceback (most recent call last):
        ...
    shop.TillError: nothing to add
    """
    if not prices:
        raise TillError("nothing to add")
    return sum(prices)


def at(prices, place):
    """Pick one.

    >>> at([1, 2], 1)  # doctest: +SKIP
    9
    """
    return prices[place]
'''
README = """# Shop

```python
from shop import total

prices = [1, 2]
```

Some prose.

```python
assert total(prices) == 3
total(prices, 4)
```

```python
shop.open(...)
basket = 1
```

```python
basket.add(2)
```

```python
from shop import basket
```

```python
print(totl(prices))
```

```python
app.run()
```

```python
import nowhere_to_be_found
```

```python
total("")  # raises an error
```

This raises `KeyError`:

```python
{}["a"]
```

```python
open("mine.csv")
```

The old way, `gone`, was removed:

```python
from shop import gone
```

```python
open("shop/rates.csv")
```

```python
input("Name: ")
```

```python
import urllib.request
urllib.request.urlopen("http://example.org")
```

```python
import sys
sys.exit()
```

```python
connect("<your token>")
```

```bash
touch ran
```

```
>>> total([3, 4])
7
>>> total([3, 4])
8
>>> total([3,
...        5])
9
>>> nothing_yet.here
1
>>> total
<function total at 0x7f0000000000>
>>> {"b", "a"}
{'a', 'b'}
>>> total([])
Traceback (most recent call last):
  ...
TillError: nothing at all
>>> total([1])
Traceback (most recent call last):
shop.TillError: nothing
>>> import random
>>> random.Random().random()
0.25
>>> hash("a")
12
>>> import json
Traceback (most recent call last):
ImportError: No module named 'json'
>>> 1 + 1; 2 + 2
2
4
```
"""
GUIDE = """Guide
=====

.. code-block:: python

    from shop import total
    import asyncio

    async def later():
        return total([1])

    value = await later()

.. code-block:: python

    @dataclass
    class Thing:
        x: int

Typed:

    >>> value
    1
    >>> value + 1
    3

.. code:: python

    from dataclasses import dataclass

    @dataclass
    class Thing:
        x: list[int]

    assert Thing([1]).x == [1]
    {}[Thing]
"""
FILES = {
    "README.md": README,
    "docs/guide.rst": GUIDE,
    "CHANGES.md": "```python\n1 / 0\n```\n",
    "shop/__init__.py": SHOP,
    "shop/_rates.py": "RATE = 1\n",
}


def ran(target: Path, tmp_path: Path, **params: Any) -> EngineOutput:
    out = tmp_path / "out"
    out.mkdir()
    asked = DocumentationParams(target=str(target), run_examples=True, **params)
    return analyse(target, asked, out, lambda _fraction, _message: None)


def found(output: EngineOutput) -> dict[tuple[str, int], str]:
    rows = [*output.data["documents"]["findings"], *output.data["docstrings"]["findings"]]
    return {(row["file"], row["line"]): row["message"] for row in rows if row["rule"].startswith("example-")}


def line(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


FAULTS = {
    (
        "README.md",
        "total(prices, 4)",
    ): "this block fails: TypeError: total() takes 1 positional argument but 2 were given",
    ("README.md", "from shop import basket"): "this block fails: ImportError: cannot import name 'basket' from 'shop'",
    ("README.md", "print(totl(prices))"): "this block fails: NameError: name 'totl' is not defined",
    ("README.md", 'open("shop/rates.csv")'): "this block fails: FileNotFoundError: ",
    ("README.md", "total([3, 4])\n8"): "in this session `7` is printed, and the document shows `8`",
    ("README.md", "total([3,\n"): "in this session `8` is printed, and the document shows `9`",
    (
        "README.md",
        "total([])\n",
    ): "in this session shop.TillError: nothing to add is raised, and the document shows TillError: nothing at",
    ("README.md", "total([1])\n"): "in this session nothing is raised, and the document shows shop.TillError: nothing",
    ("docs/guide.rst", "value + 1"): "in this session `2` is printed, and the document shows `3`",
    ("docs/guide.rst", "{}[Thing]"): "this block fails: KeyError: ",
    ("shop/__init__.py", "total([1, 2]) + hidden()"): "in this session `42` is printed, and the document shows `40`",
    ("shop/__init__.py", "total([2, 2])"): "in this session `4` is printed, and the document shows `5`",
}
"""Each by what stands at its line."""
NOT_RUN = {
    "shop.open(...)": "something is left out of it: it has an ellipsis",
    "basket.add(2)": "it needs `basket`, which line 17 makes, and that did not run",
    "app.run()": "it takes `app` for granted, which nothing before it makes",
    "import nowhere_to_be_found": "the module `nowhere_to_be_found` is not installed",
    'open("mine.csv")': "it wants the file mine.csv, which is the reader's",
    'input("Name: ")': "it wants an answer from somebody at a terminal",
    "import urllib.request": "it wants the network, or a service that is not here",
    'connect("<your token>")': "it has a placeholder, <your token>",
    "from shop import gone": "the document speaks of another version there: ImportError: "
    "cannot import name 'gone' from 'shop' (shop/__init__.py)",
    "@dataclass\n    class": "it takes `dataclass` for granted, which nothing before it makes",
    "at([1, 2], 1)": "the document has doctest skip it",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EngineOutput]:
    target = write(tmp_path_factory.mktemp("target") / "till", FILES)
    return target, ran(target, tmp_path_factory.mktemp("out"), budget_s=120.0)


def test_what_fails_or_differs_is_found_with_its_line_and_nothing_else(shop: tuple[Path, EngineOutput]) -> None:
    messages = found(shop[1])
    places = {(file, line(FILES[file], part)): message for (file, part), message in FAULTS.items()}
    assert {place: messages.get(place, "")[: len(message)] for place, message in places.items()} == places
    assert messages.keys() == places.keys()
    assert not any("sanctuary" in message for message in messages.values())


def test_what_is_not_run_says_why(shop: tuple[Path, EngineOutput]) -> None:
    rows = shop[1].data["examples"]["outcomes"]
    told = {row["line"]: row["reason"] for row in rows if row["outcome"] == "not run"}
    assert sorted(told.values()) == sorted(NOT_RUN.values())
    assert {told.get(line(README, part)) for part in NOT_RUN if part in README} <= set(NOT_RUN.values())


def test_counts_are_those_of_the_outcomes(shop: tuple[Path, EngineOutput]) -> None:
    told = shop[1].data["examples"]
    counts = {name: told[name] for name in ("documents", "blocks", "ran", "failed", "differs", "not_run", "complete")}
    assert counts == {
        "documents": 3,
        "blocks": 25,
        "ran": 5,
        "failed": 5,
        "differs": 4,
        "not_run": 11,
        "complete": True,
    }
    assert "Of 25 examples 14 were run, 9 of them do not do what they show." in shop[1].summary


def test_every_finding_is_seen_again_by_its_command(shop: tuple[Path, EngineOutput]) -> None:
    target, output = shop
    assert failed(target, {name: output.data[name] for name in ("documents", "docstrings")}) == []
    rows = [*output.data["documents"]["findings"], *output.data["docstrings"]["findings"]]
    checks = [row["check"]["how_to_check"] for row in rows if row["rule"].startswith("example-")]
    assert sum("python3" in check for check in checks) == 9


def test_nothing_is_run_unasked_and_no_shell_ever(shop: tuple[Path, EngineOutput], tmp_path: Path) -> None:
    target, _ = shop
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()) == sorted(FILES)
    (tmp_path / "out").mkdir()
    silent = analyse(
        target, DocumentationParams(target=str(target)), tmp_path / "out", lambda _fraction, _message: None
    )
    assert "examples" not in silent.data
    assert found(silent) == {}


def test_where_finding_them_takes_too_long_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FINDING_SHARE", 0.0)
    output = ran(write(tmp_path / "till", {"a.md": "```python\n1 / 0\n```\n"}), tmp_path)
    assert not output.data["examples"]["complete"]
    assert any("no time to find" in note.reason for note in output.not_analysed)
