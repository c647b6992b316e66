"""Telephone numbers: how they are written, and a filter for lists."""

import re
from functools import partial

NUMBER = re.compile(r"\+?[0-9][0-9 /-]{2,20}")
STYLES = {"inner": r"^[0-9]{3}$", "outer": r"^\+[0-9]+$"}


def tidy(number: str) -> str:
    """Return a number without what people put between its digits."""
    return re.sub(r"[^0-9+]", "", number)


def is_number(text: str) -> bool:
    """Say whether a text is a number."""
    return NUMBER.fullmatch(text[:40]) is not None


def filtered(numbers, matcher):
    """Return the numbers that a matcher takes."""
    return [each for each in numbers if matcher(each)]


def like(pattern: str):
    """Return a matcher for an expression."""
    return re.compile(pattern, re.IGNORECASE).match  # seeded: flaw regex-injection callback


def in_style(style: str):
    """Return a matcher for one of the house's styles."""
    return re.compile(STYLES.get(style, ".")).match  # seeded: twin regex-injection safe-element


def beginning_with(digits: str):
    """Return a matcher for numbers that begin with some digits."""
    return partial(re.match, "^" + re.escape(digits))  # seeded: twin regex-injection sanitised


def with_length(length: str):
    """Return a matcher for numbers of some length."""
    return re.compile(r"^[0-9]{%d}$" % min(int(length), 20)).match  # seeded: twin regex-injection typed
