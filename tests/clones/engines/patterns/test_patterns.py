"""Code that costs more than it has to, and its twins that do not."""

import math
from pathlib import Path

import pytest

from clones.engines.contract import EngineOutput
from clones.engines.patterns.scan import scan
from clones.engines.patterns.told import told
from tests.clones.engines.claims import wrong
from tests.clones.engines.running.projects import project

MODELS = """
from django.db import models

class Author(models.Model):
    name = models.CharField()

class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
"""

COSTLY = {
    "string-built-in-loop": "def f(xs):\n    s = ''\n    for x in xs:\n        s += x\n    return s\n",
    "list-searched-in-loop": "def f(xs, ys):\n    known = [y.name for y in ys]\n    return [x for x in xs if x in known]\n",
    "list-shifted-in-loop": "def f(queue):\n    while queue:\n        print(queue.pop(0))\n",
    "pattern-compiled-in-loop": "import re\ndef f(xs):\n    for x in xs:\n        re.compile('a+').match(x)\n",
    "query-in-loop": "def f(ids):\n    for key in ids:\n        yield Book.objects.get(pk=key)\n",
    "related-in-loop": "def f():\n    for book in Book.objects.filter(old=True):\n        print(book.author.name)\n",
    "FURB192": "def f(xs):\n    return sorted(xs)[0]\n",
    "ASYNC251": "import time\nasync def f():\n    time.sleep(1)\n",
    "ASYNC210": "import requests\nasync def f():\n    requests.get('http://localhost', timeout=1)\n",
}
SPARING = {
    "the string begins anew in each pass": "def f(xs):\n    for x in xs:\n        s = ''\n        s += x\n        print(s)\n",
    "a number": "def f(xs):\n    s = 0\n    for x in xs:\n        s += x\n    return s\n",
    "a set": "def f(xs, ys):\n    known = {y.name for y in ys}\n    return [x for x in xs if x in known]\n",
    "what is searched is not known to be a list": "def f(xs, known):\n    return [x for x in xs if x in known]\n",
    "a short list": "def f(xs):\n    known = ['a', 'b']\n    return [x for x in xs if x in known]\n",
    "searched once": "def f(x, ys):\n    known = [y.name for y in ys]\n    return x in known\n",
    "a list of each pass": "def f(xs):\n    for x in xs:\n        parts = x.split()\n        print('a' in parts)\n",
    "popped from its end": "def f(queue):\n    while queue:\n        print(queue.pop())\n",
    "a deque": "from collections import deque\ndef f(xs):\n    q = deque(xs)\n    while q:\n        print(q.popleft())\n",
    "compiled before": "import re\ndef f(xs):\n    a = re.compile('a+')\n    for x in xs:\n        a.match(x)\n",
    "one query": "def f(ids):\n    for book in Book.objects.filter(pk__in=ids):\n        print(book.title)\n",
    "a join": "def f():\n    for book in Book.objects.select_related('author'):\n        print(book.author.name)\n",
    "no relation": "def f():\n    for book in Book.objects.all():\n        print(book.title.upper())\n",
    "a session of requests": "def f(session, urls):\n    for url in urls:\n        session.get(url)\n",
    "an asynchronous sleep": "import asyncio\nasync def f():\n    await asyncio.sleep(1)\n",
    "another function": "def f(xs):\n    s = ''\n    for x in xs:\n        def g():\n            s = 1\n            s += 1\n",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The rules found in each file of one project that holds all of them."""
    files = {f"costly_{number}.py": text for number, text in enumerate(COSTLY.values())}
    files |= {f"sparing_{number}.py": text for number, text in enumerate(SPARING.values())}
    root = project(tmp_path_factory.mktemp("code"), files | {"models.py": MODELS, "broken.py": "def f(:\n"})
    scanned = scan(root, lambda _: True, deadline=math.inf)
    assert list(scanned.unread) == ["broken.py"]
    rules: dict[str, list[str]] = {name: [] for name in files}
    for each in scanned.found:
        rules[each.file].append(each.rule)
    return rules


@pytest.mark.parametrize("rule", COSTLY)
def test_what_costs_is_found(found: dict[str, list[str]], rule: str) -> None:
    assert rule in found[f"costly_{list(COSTLY).index(rule)}.py"]


@pytest.mark.parametrize("twin", SPARING)
def test_its_twin_is_spared(found: dict[str, list[str]], twin: str) -> None:
    assert found[f"sparing_{list(SPARING).index(twin)}.py"] == []


def test_what_is_in_a_hot_function_comes_first_and_each_is_shown_by_its_lines(tmp_path: Path) -> None:
    cold = COSTLY["list-shifted-in-loop"]
    root = project(tmp_path, {"a.py": cold, "b.py": COSTLY["list-searched-in-loop"]})
    rows = [
        {"file": "b.py", "function": "f", "line": 1, "self_share": 0.25},
        {"file": "b.py", "function": "<listcomp>", "line": 3, "self_share": 0.5},
        {"file": "a.py", "function": "<module>", "line": 1, "self_share": 0.1},
    ]
    output = told(
        EngineOutput(summary="Profiled.", data={"hot": rows}), scan(root, lambda _: True, deadline=math.inf), root
    )
    data = output.data["patterns"]
    assert [(each["file"], each["line"], each["evidence"], each["self_share"]) for each in data["found"]] == [
        ("b.py", 3, [2], 0.75),
        ("a.py", 3, [2], 0.0),
    ]
    assert (data["total"], data["in_hot"]) == (2, 1)
    assert output.summary == "Profiled; 2 places where the code costs more than it has to, 1 of them hot."
    assert wrong(data, root) == []


def test_what_cannot_be_followed_or_is_out_of_time_is_named(tmp_path: Path) -> None:
    deep = "def f(self, xs):\n    for x in xs:\n        self.s += " + " + ".join(["x"] * 2000) + "\n"
    root = project(tmp_path, {"a.py": COSTLY["list-shifted-in-loop"], "deep.py": deep})
    (root / "link.py").symlink_to("/etc/hostname")
    scanned = scan(root, lambda _: True, deadline=math.inf)
    assert [each.file for each in scanned.found] == ["a.py"]
    assert list(scanned.unread) == ["deep.py"]
    late = scan(root, lambda _: True, deadline=0.0)
    assert (late.found, list(late.unread)) == ((), ["a.py", "deep.py"])
