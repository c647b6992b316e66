"""Ranges and orders of versions, by the rules of OSV's schema, PEP 440 and Semantic Versioning."""

import pytest

from clones.engines.security.osv.versions import Ecosystem, Event, Range, first_fix, is_affected, order


def between(*events: Event, kind: str = "SEMVER") -> tuple[Range, ...]:
    return (Range(kind, events),)


FIXED = between(Event(introduced="0"), Event(fixed="1.2.6"))
TWICE = between(Event(introduced="2.0.0"), Event(fixed="2.0.6"), Event(introduced="0"), Event(fixed="1.26.17"))


@pytest.mark.parametrize(
    ("version", "ranges", "expected"),
    [
        ("1.2.5", FIXED, True),
        ("v1.2.5", FIXED, True),
        ("1.2.6", FIXED, False),
        ("1.2.6-rc.1", FIXED, True),
        ("1.2.10", FIXED, False),
        ("0.0.0-20200101000000-abcdef123456", FIXED, True),
        ("1.26.16", TWICE, True),
        ("1.26.17", TWICE, False),
        ("1.27.0", TWICE, False),
        ("2.0.0", TWICE, True),
        ("2.0.6", TWICE, False),
        ("1.4.0", between(Event(introduced="1.0.0"), Event(last_affected="1.4.0")), True),
        ("1.4.1", between(Event(introduced="1.0.0"), Event(last_affected="1.4.0")), False),
        ("1.4.0", between(Event(introduced="0"), Event(limit="1.4.0")), False),
        ("1.3.9", between(Event(introduced="0"), Event(limit="1.4.0")), True),
        ("9.9.9", between(Event(introduced="0"), Event(limit="*")), True),
        ("0.9.0", between(Event(introduced="1.0.0")), False),
        ("1.0.0", between(Event(introduced="0"), kind="GIT"), False),
        ("1.0.0", between(Event(introduced="0"), Event(fixed="not a version")), False),
        ("not a version", FIXED, False),
    ],
)
def test_a_range_holds_what_the_schema_says(version: str, ranges: tuple[Range, ...], *, expected: bool) -> None:
    assert is_affected("npm", version, ranges, ()) is expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.2.27", True),
        ("2.2.28", False),
        ("2.2rc1", False),
        ("3.2.13.post1", False),
        ("3.2.13a1", True),
        ("1!3.2.1", False),
    ],
)
def test_python_versions_are_ordered_by_pep_440(version: str, *, expected: bool) -> None:
    django = between(
        Event(introduced="2.2"), Event(fixed="2.2.28"), Event(introduced="3.2"), Event(fixed="3.2.13"), kind="ECOSYSTEM"
    )
    assert is_affected("PyPI", version, django, ()) is expected


def test_listed_versions_are_affected_in_any_spelling() -> None:
    assert is_affected("PyPI", "1.0", (), ("0.9", "1.0.0"))
    assert is_affected("PyPI", "2004d", (), ("2004d",)), "what PEP 440 does not know is compared as it is written"
    assert not is_affected("PyPI", "1.0.1", (), ("0.9", "1.0.0"))


def test_semantic_versions_have_the_order_of_their_specification() -> None:
    # the example of section 11
    versions = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
    versions += ["1.0.0-rc.1", "1.0.0"]
    assert sorted(sorted(versions), key=lambda version: order("npm", version)) == versions
    assert order("Go", "v2.0.0+incompatible") == order("Go", "2.0.0")


@pytest.mark.parametrize(
    ("ecosystem", "version", "expected"),
    [("npm", "1.0.0", "1.26.17"), ("npm", "2.0.1", "2.0.6"), ("npm", "3.0.0", None), ("PyPI", "what", None)],
)
def test_the_next_fix_is_the_lowest_above(ecosystem: Ecosystem, version: str, expected: str | None) -> None:
    assert first_fix(ecosystem, version, TWICE) == expected
