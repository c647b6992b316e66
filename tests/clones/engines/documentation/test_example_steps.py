"""What of a document is taken for an example, and what of it is left alone."""

from pathlib import Path

import pytest

from clones.engines.documentation.docs.text import read
from clones.engines.documentation.examples.ends import Error
from clones.engines.documentation.examples.judging import FAILED, NO_TIME, NOT_RUN, Outcome, agrees, made, with_second
from clones.engines.documentation.examples.lacking import Here, lacks
from clones.engines.documentation.examples.steps import MAX_STEPS, Step, of_document, of_module
from clones.engines.documentation.sources import Module
from clones.engines.statements import Lines
from tests.clones.engines.documentation.test_documents import write

MARKDOWN = """Text.

    >>> indented
    1

> >>> quoted

```
>>> fenced
```

```text
>>> no Python
```

- ```py
  x = 1

  y = 2
  ```

```python
```

```pycon
>>> def f():
        return 1
>>> if x:
...     y
1
>>> @app.task
>>> def g(x):
...     return x
>>> f(
```
"""
RST = """
Text

>>> bare
1
not shown

.. doctest::

    >>> directive

.. code-block:: console

    >>> another.program

.. sourcecode:: python3
    :linenos:

    x = 1

>>>no space
"""


def steps_of(file: str, text: str) -> list[tuple[int, str, str, str]]:
    lines = text.split("\n")
    found = read(file, lines)
    assert found is not None
    document = of_document(file, found, lines)
    return [] if document is None else [(s.line, s.source, s.want, s.left_alone) for s in document.steps()]


def test_examples_of_markdown() -> None:
    assert steps_of("a.md", MARKDOWN) == [
        (3, "indented\n", "1\n", ""),
        (9, "fenced\n", "", ""),
        (17, "x = 1\n\ny = 2\n", "", ""),
        (26, "def f():\n        return 1\n", "", ""),
        (28, "if x:\n    y\n", "1\n", ""),
        (31, "@app.task\ndef g(x):\n    return x\n", "", ""),
        (34, "f(\n", "", "it does not parse by itself"),
    ]


def test_examples_of_restructured_text() -> None:
    assert steps_of("a.rst", RST) == [
        (4, "bare\n", "1\nnot shown\n", ""),
        (10, "directive\n", "", ""),
        (19, "x = 1\n", "", ""),
    ]
    assert steps_of("a.rst", "Text\n") == []


def test_sessions_of_docstrings(tmp_path: Path) -> None:
    text = 'class A:\n    """Is.\n\n    >>> 1\n    1\n    """\n    def f(self):\n        """>>> 2"""\n'
    target = write(tmp_path / "t", {"a.py": text, "b.py": "x = '>>> 1'\n"})
    lines = Lines(target)
    document = of_module(Module(name="a", file="a.py"), lines)
    assert document is not None
    assert [group.module for group in document.groups] == ["a", "a"]
    assert [(step.line, step.source) for step in document.steps()] == [(4, "1\n"), (8, "2\n")]
    assert of_module(Module(name="b", file="b.py"), lines) is None


def test_what_is_long_or_many_takes_no_time() -> None:
    hostile = ["#" * 40_000, "<a" + "_a" * 20_000, "\n" * 40_000 + "x y", "<a " * 10_000, "x" * 60_000]
    for source in hostile:
        steps_of("a.md", f"```python\n{source}\n```\n")
        made(Step(source=source, line=1))
    many = steps_of("a.rst", ">>> x\n1\n\n" * 3000)
    assert len(many) == MAX_STEPS + 1
    assert many[-1][3] == "it and what follows it: of a document the first 2000 pieces of code are run"
    assert steps_of("a.rst", ">>> x\n" * 20_000) == [(1, "", "", "it is too long")]
    assert len(steps_of("a.rst", ">>> (\n" + "x(\n" * 10_000)) == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x: tuple[int, ...] = (1,)", ""),
        ("def f(): ...", "something is left out of it: it has an ellipsis"),
        ("x = 1\n# ...", "something is left out of it: it has an ellipsis"),
        ("x = 1  # and so on …", "something is left out of it: it has an ellipsis"),
        ("page = '<p>Hello</p>'", ""),
        ("login('<your name>')", "it has a placeholder, <your name>"),
        ("login(YOUR_TOKEN)", "it has a placeholder, YOUR_TOKEN"),
        ("from .models import X", "it is part of a package: it has a relative import"),
        ("In [1]: x", "it is typed at another prompt than Python's"),
        ("!pip install x", "it is typed at another prompt than Python's"),
        ("(" * 5000, "it does not parse by itself"),
    ],
)
def test_what_is_left_alone(source: str, reason: str) -> None:
    assert [step[3] for step in steps_of("a.md", f"```python\n{source}\n```\n")] == [reason]


@pytest.mark.parametrize(
    ("want", "printed", "same"),
    [
        ("", "1\n", True),
        ("# said\n", "1\n", True),
        ("1\n", "2\n", False),
        ("[1,\n 2]\n", "[1, 2]\n", True),
        ("{'a': 1, ...}\n", "{'a': 1, 'b': 2}\n", True),
        ("{'a', 'b'}\n", "{'b', 'a'}\n", True),
        ("<X at 0x1>\n", "<X at 0x7f00aa>\n", True),
        ("'a'\n", '"a"\n', True),
        ("<class 'A'>\n", "<class '__main__.A'>\n", True),
        ("1 2\n", "12\n", False),
    ],
)
def test_what_is_printed_and_shown(want: str, printed: str, same: bool) -> None:
    assert agrees(Step(source="x", line=1, typed=True, want=want), printed) is same


def test_names_that_a_step_makes() -> None:
    source = "import a.b, c as d\nfrom e import f\ng, h = 1, 2\nif g:\n    i = 1\n\ndef j(): k = 1\n"
    assert made(Step(source=source, line=1)) == {"a", "d", "f", "g", "h", "i", "j"}
    assert made(Step(source="import a\nx = \nclass Y:\n  ...", line=1)) >= {"a", "x", "Y"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"kinds": ("ModuleNotFoundError", "ImportError"), "missing": "shop.gone"}, ""),
        (
            {"kinds": ("ModuleNotFoundError", "ImportError"), "missing": "shop.gone", "direct": False},
            "the project cannot be imported here: X: said",
        ),
        (
            {"kinds": ("ModuleNotFoundError", "ImportError"), "missing": "a.b", "message": "No module named 'a'"},
            "the module `a.b` is not installed",
        ),
        ({"kinds": ("NameError",), "missing": "y"}, "it takes `y` for granted, which nothing before it makes"),
        ({"kinds": ("NameError",), "missing": "x"}, "it needs `x`, which line 3 makes, and that did not run"),
        ({"kinds": ("NameError",), "missing": "totl", "near": "total"}, ""),
        ({"kinds": ("NameError",), "missing": "y", "direct": False}, ""),
        ({"kinds": ("UnboundLocalError", "NameError"), "missing": "y"}, ""),
        ({"kinds": ("FileNotFoundError", "OSError"), "path": "docs/gone.txt"}, ""),
        (
            {"kinds": ("FileNotFoundError", "OSError"), "path": "there/gone.txt"},
            "it wants the file there/gone.txt, which is the reader's",
        ),
        (
            {"chain": ("E Exception: x", "gaierror OSError: y")},
            "it wants the network, or a service that is not here",
        ),
        (
            {"kinds": ("AttributeError",), "message": "module 'shop' has no attribute 'till'"},
            "it takes the import of `shop.till` for granted",
        ),
        ({"kinds": ("AttributeError",), "message": "module 'shop' has no attribute 'tell'"}, ""),
        (
            {"kinds": ("AttributeError",), "message": "module 'copy' has no attribute 'replace'"},
            "the module `copy` has no `replace` here",
        ),
        (
            {"kinds": ("OSError", "FileNotFoundError"), "path": "docs/../../docs/x"},
            "it wants the file docs/../../docs/x, which is the reader's",
        ),
        ({"kinds": ("OSError", "FileNotFoundError"), "path": "./docs/x"}, ""),
        ({"started": True}, "it leaves something to another program: X: said"),
        ({"kinds": ("OSError",), "number": 6, "path": "/dev/tty"}, "it wants an answer from somebody at a terminal"),
        ({"reached": True}, "it wants the network, or a service that is not here"),
        (
            {"kinds": ("KeyError",), "message": "'HOME'", "where": "<frozen os>:__getitem__"},
            "it wants the environment variable 'HOME'",
        ),
    ],
)
def test_what_a_run_lacked(changes: dict[str, object], reason: str) -> None:
    plain: dict[str, object] = {
        "name": "X",
        "kinds": ("ValueError",),
        "message": "said",
        "line": 1,
        "direct": True,
        "stated": True,
        "where": "a.py:f",
        "chain": (),
        "missing": None,
        "near": None,
        "path": None,
        "number": None,
        "reached": False,
        "started": False,
    }
    here = Here(own=frozenset({"shop", "shop.till"}), has=lambda path: path == "docs", unsure={"x": 3})
    assert lacks(Error(**{**plain, **changes}), here) == reason  # type: ignore[arg-type]


def test_without_a_second_end_a_failure_is_none() -> None:
    first = Outcome(outcome=FAILED, line=3, reason="KeyError: 1", error="KeyError")
    assert with_second(first, first, "") == first
    second = Outcome(outcome=NOT_RUN, line=3, reason=NO_TIME)
    assert with_second(first, second, NO_TIME) == second
    assert "otherwise each time" in with_second(first, Outcome(outcome=NOT_RUN, line=3, reason="late"), "").reason


def test_a_session_of_decorators_is_read_in_time_that_grows_with_it(tmp_path: Path) -> None:
    module = Module(name="a", file="a.py")
    write(tmp_path, {"a.py": '"""' + ">>> @a\n" * 2500 + '"""\n'})
    document = of_module(module, Lines(tmp_path))
    assert document is not None
    assert {step.source.count("@") for step in document.steps()} == {21, 2500 % 21}
