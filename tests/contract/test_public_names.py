"""What the packages offer, by name."""

import importlib
import pkgutil

import pytest

import bus
import clones
import ops
import schemas
from tests.contract.messages import KINDS


def _packages() -> list[str]:
    return [
        module.name
        for root in (schemas, bus, clones, ops)
        for module in [
            pkgutil.ModuleInfo(None, root.__name__, True),  # type: ignore[arg-type]  # only name and ispkg are read
            *pkgutil.walk_packages(root.__path__, f"{root.__name__}."),
        ]
        if module.ispkg
    ]


PUBLIC = [name for name in _packages() if hasattr(importlib.import_module(name), "__all__")]


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_true_and_says_nothing_twice(name: str) -> None:
    package = importlib.import_module(name)
    offered = list(package.__all__)
    assert len(offered) == len(set(offered))
    assert [one for one in offered if not hasattr(package, one)] == []


def test_the_schemas_offer_all_that_they_import() -> None:
    there = {one for one in vars(schemas) if not one.startswith("_")}
    modules = {module.name for module in pkgutil.iter_modules(schemas.__path__)}
    assert there - modules == set(schemas.__all__)


def test_the_schemas_offer_each_message() -> None:
    assert KINDS.keys() <= set(schemas.__all__)
