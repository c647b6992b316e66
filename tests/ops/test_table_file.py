"""A routing table as TOML: read back as it was written, and refused with line and key."""

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from clones.routing import DEFAULT_TABLE
from ops.table_file import InvalidTable, read_table
from ops.table_text import write_table
from ops.toml_lines import line_of
from schemas import Backoff, ErrorCode, Route, RoutingTable, Weights

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,9}", fullmatch=True)
CLONES = st.sampled_from(("beta", "gamma", "delta", "sigma", "my-clone"))
SECONDS = st.floats(0.001, 1000) | st.integers(1, 1000).map(float)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    clones = draw(st.lists(CLONES, min_size=1, max_size=4, unique=True))
    maximum_s = draw(SECONDS)
    return Route(
        clone=clones[0],
        fallback=tuple(clones[1:]),
        fallback_when=draw(st.sampled_from(("absent", "busy"))),
        default_priority=draw(st.sampled_from(("high", "medium", "low"))),
        timeout_s=draw(SECONDS),
        schedule_to_start_s=draw(st.none() | SECONDS),
        retries=draw(st.integers(0, 100)),
        backoff=Backoff(initial_s=draw(st.floats(0, maximum_s)), maximum_s=maximum_s, jitter=draw(st.floats(0, 1))),
        non_retryable=tuple(draw(st.lists(st.sampled_from(list(map(str, ErrorCode))), max_size=2, unique=True))),
        concurrency=draw(st.none() | st.integers(1, 99)),
        rate_per_s=draw(st.none() | SECONDS),
        when_exhausted=draw(st.sampled_from(("fail", "park", "fallback") if clones[1:] else ("fail", "park"))),
        severity=draw(st.sampled_from(("low", "medium", "high", "critical"))),
    )


@st.composite
def tables(draw: st.DrawFn) -> RoutingTable:
    names = draw(st.lists(NAMES.map("t{}".format), min_size=1, max_size=4, unique=True))
    aliases = draw(st.lists(NAMES.map("a{}".format), max_size=2, unique=True))
    return RoutingTable(
        weights=Weights(high=draw(st.integers(1, 1000))),
        aliases={alias: draw(st.sampled_from(names)) for alias in aliases},
        routes={name: draw(routes()) for name in names},
    )


@given(tables())
def test_what_is_written_reads_back_equal(table: RoutingTable) -> None:
    assert read_table(write_table(table, heading=("one", "two")), "f") == table


def test_the_default_table_reads_back_equal_and_explains_every_setting() -> None:
    text = write_table(DEFAULT_TABLE)
    assert read_table(text, "f") == DEFAULT_TABLE
    for field in msgspec.structs.fields(Route):
        assert f"\n#   {field.name} " in text
    for field in msgspec.structs.fields(Backoff):
        assert field.name in text


def test_the_smallest_file() -> None:
    assert read_table('routes.x.clone = "beta"', "f") == RoutingTable(routes={"x": Route(clone="beta")})


ROUTE = '[routes.security]\nclone = "beta"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = \n", "f:1: this is no TOML: Invalid value"),
        ("\n\n[routes", "f:3: this is no TOML: "),
        ("", "f: routes: there are none: every task would be refused"),
        ("[wieghts]\nhigh = 3\n" + ROUTE, "f:1: wieghts: there is no such setting (did you mean weights?)"),
        ("weights = 3\n" + ROUTE, "f:1: weights: is to be a table: write [weights]"),
        ("[weights]\nhihg = 3\n" + ROUTE, "f:2: weights.hihg: there is no such setting (did you mean high?)"),
        ("[weights]\nhigh = 0\n" + ROUTE, "f:2: weights.high: is wrong: expected a whole number >= 1"),
        (
            ROUTE + "timout_s = 3",
            "f:3: routes.security.timout_s: there is no such setting (did you mean timeout_s?); a route takes clone,",
        ),
        (
            ROUTE + '# timeout_s = 3\ntimeout_s = "30"',
            "f:4: routes.security.timeout_s: is wrong: expected a number, got text",
        ),
        (ROUTE + "timeout_s = nan", "f:3: routes.security.timeout_s: is wrong: expected a number > 0.0"),
        (ROUTE + "retries = 1.5", "f:3: routes.security.retries: is wrong: expected a whole number, got a number"),
        (ROUTE + "concurrency = true", "f:3: routes.security.concurrency: is wrong: expected a whole number, got bool"),
        (
            ROUTE + 'default_priority = "hihg"',
            "f:3: routes.security.default_priority: 'hihg' is none of high, medium, low (did you mean high?)",
        ),
        (ROUTE + 'fallback = "delta"', "f:3: routes.security.fallback: is wrong: expected a list, got text"),
        (ROUTE + 'fallback = ["D x"]', "f:3: routes.security.fallback: ['D x'] is no name: use 1 to 64 of a-z"),
        (
            ROUTE + "backoff = { initial = 3 }",
            "f:3: routes.security.backoff.initial: there is no such setting (did you mean initial_s?); backoff takes",
        ),
        (
            ROUTE + "[routes.security.backoff]\njitter = 7",
            "f:4: routes.security.backoff.jitter: is wrong: expected a number <= 1",
        ),
        (ROUTE + "backoff = 3", "f:3: routes.security.backoff: is to be a table, such as backoff = { initial_s = 1 }"),
        ("[routes.x]\nretries = 1\n", "f:1: routes.x: has no clone, which every route needs"),
        ("[routes]\nx = 3\n", "f:2: routes.x: is to be a table: write [routes.x] and its settings below"),
        ('[routes."wor kflow"]\nclone = "a"\n', "f:1: routes.wor kflow: 'wor kflow' is no name: use 1 to 64"),
        (ROUTE + '[aliases]\n"A" = "security"', "f:4: aliases.A: 'A' is no name: use 1 to 64"),
        (ROUTE + '[aliases]\na = "secrity"', "f:4: aliases.a: there is no task type secrity (did you mean security?)"),
        (
            ROUTE + 'timeout_s = 3\nfallback = [\n  "delta",\n  "beta",\n]',
            "f:4: routes.security.fallback: beta is the primary, and cannot fall back for itself",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_key(text: str, said: str) -> None:
    with pytest.raises(InvalidTable) as told:
        read_table(text, "f")
    assert [line for line in told.value.problems if line.startswith(said)] == [told.value.problems[0]]


def test_all_problems_are_told_from_the_top_down() -> None:
    text = ROUTE + "retries = -1\ntimout_s = 1\n[weights]\nlow = 0\n"
    with pytest.raises(InvalidTable) as told:
        read_table(text, "f")
    assert [line.split(": ")[0] for line in told.value.problems] == ["f:3", "f:4", "f:6"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)
    )
)
def test_no_value_is_too_strange(value: Any) -> None:
    text = f"{ROUTE}retries = {msgspec.json.encode(value).decode()}\n"
    try:
        table = read_table(text, "f")
    except InvalidTable as error:
        assert error.problems[0].startswith("f:3: ")
    else:
        assert table.routes["security"].retries == value


def test_lines_of_keys() -> None:
    text = '\n[a.b]\nc = 1\n"d.e" = """\nc = 3\n"""\n[ "x y" . z ]\nf.g = 2\nh = { i = 1 }\n'
    assert line_of(text, ("a", "b")) == 2
    assert line_of(text, ("a", "b", "c")) == 3
    assert line_of(text, ("a", "b", "d.e")) == 4
    assert line_of(text, ("a", "b", "missing")) == 2
    assert line_of(text, ("x y", "z", "f", "g")) == 8
    assert line_of(text, ("x y", "z", "h", "i")) == 9
    assert line_of(text, ("nowhere",)) is None
