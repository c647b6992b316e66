"""A pytest plugin that runs the tests in another order, which `SANCTUARY_ORDER` names.

Loaded with `-p sanctuary_order`. `seed:3` orders the files, in each file the classes and in each class the tests by a
hash of the seed and their names, so that fixtures of modules and classes are set up as often as ever, and a seed means
the same order on every machine. `file:/path` runs the tests that the file names, one a line, in its order.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the items into the order, after every other plugin."""
    kind, _, value = os.environ.get("SANCTUARY_ORDER", "").partition(":")
    if kind == "seed":
        items.sort(key=lambda item: _place(item, value))
    elif kind == "file":
        by_name = {item.nodeid: item for item in items}
        wanted = [name for name in Path(value).read_text(encoding="utf-8").splitlines() if name in by_name]
        chosen = set(wanted)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
        items[:] = [by_name[name] for name in wanted]


def _place(item: pytest.Item, seed: str) -> tuple[str, str, str]:
    file = item.nodeid.partition("::")[0]
    owner = getattr(item, "cls", None)
    group = f"{file}::{owner.__qualname__}" if owner is not None else item.nodeid
    return _hashed(seed, file), _hashed(seed, group), _hashed(seed, item.nodeid)


def _hashed(seed: str, name: str) -> str:
    return sha256(f"{seed} {name}".encode("utf-8", "surrogatepass")).hexdigest()
