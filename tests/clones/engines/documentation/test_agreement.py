"""Docstrings against their code: each fault with a twin that is right."""

from pathlib import Path

import pytest

from clones.engines.documentation import agreement, sources
from clones.engines.statements import Lines


def said(tmp_path: Path, source: str) -> list[tuple[int, str, str]]:
    (tmp_path / "shop.py").write_text(source)
    found = agreement.disagreements(sources.find(tmp_path).modules, Lines(tmp_path))
    return [(each.line, each.rule, each.message) for each in found]


GOOGLE = '"""Pay.\n\n    Args:\n        {}: How much.\n    """'
NUMPY = '"""Pay.\n\n    Parameters\n    ----------\n    {} : int\n        How much.\n    """'
SPHINX = '"""Pay.\n\n    :param int {}: How much.\n    """'


@pytest.mark.parametrize("style", [GOOGLE, NUMPY, SPHINX])
def test_parameters_in_every_style(tmp_path: Path, style: str) -> None:
    body = "\n    return None\n"
    right = f"def pay(amount):\n    {style.format('amount')}{body}"
    wrong = f"def pay(amount):\n    {style.format('amont')}{body}"
    partial = f"def pay(amount, *, currency, _cache=None, **more):\n    {style.format('amount')}{body}"
    into_more = f"def pay(**more):\n    {style.format('amount')}{body}"
    assert said(tmp_path, right) == []
    assert said(tmp_path, wrong) == [(1, "docstring-parameter", "`pay` documents `amont`, which it does not take")]
    assert [message for _, _, message in said(tmp_path, partial)] == [
        "`pay` takes `currency`, which its list of parameters leaves out"
    ]
    assert said(tmp_path, into_more) == []


def test_a_list_that_is_not_there_is_not_wrong(tmp_path: Path) -> None:
    assert said(tmp_path, 'def pay(amount):\n    """Pay an amount: of money."""\n    raise ValueError("no")\n') == []


def test_a_class_lists_what_its_constructor_takes(tmp_path: Path) -> None:
    source = (
        'class Till:\n    """Money.\n\n    Args:\n        {}: Where.\n    """\n\n'
        "    def __init__(self, place):\n        self.place = place\n\n"
        '    @staticmethod\n    def of(place):\n        """Make one.\n\n        Args:\n            place: Where.\n        """\n'
    )
    assert said(tmp_path, source.format("place")) == []
    assert said(tmp_path, source.format("palce")) == [
        (1, "docstring-parameter", "`Till` documents `palce`, which it does not take")
    ]


RAISES = (
    "class TillError(OSError): ...\n\ndef pay(amount):\n"
    '    """Pay.\n\n    Raises:\n        {}: It is empty.\n    """\n'
    "    try:\n        raise ValueError\n    except ValueError:\n        pass\n"
    "    def inner():\n        raise LookupError\n"
    "    if amount:\n        raise TillError('empty')\n    raise NotImplementedError\n"
)


def test_exceptions(tmp_path: Path) -> None:
    assert said(tmp_path, RAISES.format("TillError")) == []
    assert said(tmp_path, RAISES.format("OSError")) == []
    assert said(tmp_path, RAISES.format("KeyError")) == [
        (16, "docstring-raises", "`pay` raises `TillError`, which its list of exceptions leaves out")
    ]


def test_returns(tmp_path: Path) -> None:
    source = 'def pay(amount):\n    """Pay.\n\n    Returns:\n        {}\n    """\n    print(amount)\n    {}\n'
    assert said(tmp_path, source.format("The change.", "return amount")) == []
    assert said(tmp_path, source.format("The change.", "yield amount")) == []
    assert said(tmp_path, source.format("None.", "amount += 1")) == []
    assert said(tmp_path, source.format("The change.", "raise NotImplementedError")) == []
    assert said(tmp_path, source.format("The change.", "amount += 1")) == [
        (1, "docstring-returns", "`pay` documents what it returns, and returns nothing")
    ]
