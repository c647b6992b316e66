"""Each flaw is found, and its harmless twin is spared."""

from pathlib import Path

import pytest

from tests.clones.engines.security.taint.following import Twins, found, twins

_each = pytest.mark.parametrize("pair", [pytest.param(each, id=each.name) for each in twins()])


@_each
def test_a_flaw_is_found(pair: Twins, tmp_path: Path) -> None:
    assert pair.category in found(tmp_path, pair.program(pair.flaw))


@_each
def test_its_harmless_twin_is_spared(pair: Twins, tmp_path: Path) -> None:
    assert pair.category not in found(tmp_path, pair.program(pair.harmless))
