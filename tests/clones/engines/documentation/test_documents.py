"""What does not hold in documents: seeded faults are found, and what only looks like them is spared."""

from pathlib import Path

from clones.engines.architecture import tree
from clones.engines.documentation import analyse, sources
from clones.engines.documentation.docs.examine import Examined, examine
from clones.engines.statements import Lines
from clones.params import DocumentationParams
from tests.clones.engines.checking import failed

README = """# The Shop

[guide](docs/guide.md) [gone](docs/gone.md) [part](docs/guide.md#a-part--of-it) [no part](docs/guide.md#nowhere)
[here](#the-shop) [out](https://example.org/x.md) [mail](mailto:a@b.c) [root](/x) [up](../other) [site]({{ url }})
![logo](docs/logo.png) ![none](docs/none.png) <img src="docs/html.png"> `[code](no.md)`

```python
def broken(:
    pass
```

```python
await shop.open(...)
return 1
```

```json
{"a": 1,}
```

```json
{"a": 1, ...}
```

```toml
[a
```

```yaml
a: [1
```

```bash
if true; then
```

```bash
make build
make bild
python -m shop
python -m shop.till
python -m shop.tell
python -m elsewhere
python scripts/start.py
python scripts/stop.py
python app.py
shop-cli open
shop open
cd docs
make html
```
"""
GUIDE = "# Guide\n\n## A part / of it\n\n[back](../README.md) [doc](other.rst)\n"
RST = """Other
=====

.. image:: logo.png
.. include:: none.txt

:doc:`more` and :doc:`none` and `a <gone.html>`_ and `b <https://example.org>`_

.. code-block:: python
    :caption: x

    def f(:

.. code-block:: pycon

    >>> f(1,
    ...   2)
    3
    >>> f(1
    4

.. code-block:: console

    $ python -m shop.tell
    no such module
"""
FILES = {
    "README.md": README,
    "docs/guide.md": GUIDE,
    "docs/other.rst": RST,
    "docs/more.rst": "More\n====\n",
    "docs/logo.png": "",
    "CHANGES.md": "[gone](no.md)\n",
    "Makefile": "build: ## it\n\techo\n",
    "scripts/start.py": "",
    "shop/__init__.py": "",
    "shop/till.py": "",
    "pyproject.toml": '[project]\nname = "shop"\n[project.scripts]\nshop-cli = "shop:main"\n',
}


def write(target: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return target


def examined(target: Path) -> Examined:
    return examine(target, tree.walk(target).files, Lines(target), sources.find(target))


def test_every_seeded_fault_is_found_and_nothing_else(tmp_path: Path) -> None:
    target = write(tmp_path / "shop", FILES)
    found = [(each.file, each.line, each.rule) for each in examined(target).findings]
    readme = {
        "dead-link": (3, 5),
        "dead-anchor": (3,),
        "dead-image": (5,),
        "code-block": (8, 18, 26, 30, 34),
        "make-target": (39,),
        "module": (40, 42),
        "script": (45,),
        "command": (48,),
    }
    expected = [("README.md", line, rule) for rule, places in readme.items() for line in places]
    other = {"dead-file": (5,), "dead-doc": (7,), "dead-link": (7,), "code-block": (12, 19), "module": (24,)}
    expected += [("docs/other.rst", line, rule) for rule, places in other.items() for line in places]
    assert sorted(found) == sorted(expected)


def test_what_an_engine_says_is_seen_by_its_commands(tmp_path: Path) -> None:
    target = write(tmp_path / "shop", FILES)
    out = tmp_path / "out"
    out.mkdir()
    output = analyse(target, DocumentationParams(target=str(target)), out, lambda _fraction, _message: None)
    assert output.data["documents"]["total"] == len(output.data["documents"]["findings"]) == 20
    assert "20 places do not hold in 4 documents." in output.summary
    assert failed(target, output.data["documents"]) == []


def test_hostile_documents_harm_nothing(tmp_path: Path) -> None:
    target = write(
        tmp_path / "hostile",
        {
            "README.md": "[a](%00) [b](../../../etc/passwd) [c](docs%2f..%2f..%2fx)\n\n"
            "```sh\ntouch ran; $(touch ran)\n```\n\n```yaml\na: &a [*a, *a]\n```\n\n```json\n" + "[" * 5000 + "\n```\n",
            "deep.md": "> " * 500 + "x\n" + "[" * 5_000 + "<a " * 10_000 + "{#a" * 10_000,
            "long.md": "x" * 100_001,
        },
    )
    (target / "link.md").symlink_to("/etc/passwd")
    found = examined(target)
    assert [each.rule for each in found.findings if each.rule != "code-block"] == []
    assert [each.subject for each in found.left_out] == ["long.md"]
    assert not (target / "ran").exists()
