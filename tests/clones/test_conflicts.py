"""What is wrong with a table, and what a network that answers makes of one."""

from typing import Any

import pytest
from msgspec.structs import replace

from bus.routes import Revision
from clones.conflicts import absences, conflicts, disagreements, doubts
from clones.routing import DEFAULT_TABLE, types_by_clone
from clones.table_changes import changes
from schemas import Backoff, Route, RoutesInForce, RoutingTable, StatusResponse, Weights
from tests.clones.statuses import NOW, status_of

HERE = Route(clone="beta")
FIVE = replace(
    DEFAULT_TABLE,
    routes={
        name: DEFAULT_TABLE.routes[name]
        for name in ("security", "performance", "architecture", "testing", "documentation")
    },
)
"""Part of the default table, so that what is said of it here stays the same while that grows."""


def table(aliases: dict[str, str] | None = None, **routes: Route) -> RoutingTable:
    return RoutingTable(aliases=aliases or {}, routes=routes)


def asking(*types: str) -> Route:
    return replace(HERE, may_ask=types)


def test_the_default_table_has_no_conflicts() -> None:
    assert conflicts(DEFAULT_TABLE) == ()


@pytest.mark.parametrize(
    ("wrong", "path", "said"),
    [
        (table(), "routes", "there are none"),
        (
            RoutingTable(routes={f"t{number}": HERE for number in range(501)}),
            "routes",
            "there are 501; a network has 500 at most",
        ),
        (table({"a": "secrity"}, security=HERE), "aliases.a", "no task type secrity (did you mean security?)"),
        (table({"a": "b"}, a=HERE, b=HERE), "aliases.a", "a is a task type itself"),
        (table({"a": "b", "b": "x"}, x=HERE), "aliases.a", "b is an alias too; an alias names a task type: x"),
        (table({"a": "a"}, x=HERE), "aliases.a", "a -> a is a loop"),
        (table({"a": "b", "b": "c", "c": "b"}, x=HERE), "aliases.a", "a -> b -> c -> b is a loop"),
        (table({"command": "x"}, x=HERE), "aliases.command", "command is a reserved word"),
        (table(workflow=HERE), "routes.workflow", "workflow is a reserved word"),
        (table(x=Route(clone="omega")), "routes.x.clone", "omega is no clone and serves no tasks"),
        (table(x=Route(clone="a", fallback=("operator",))), "routes.x.fallback", "operator is no clone"),
        (table(x=Route(clone="a", fallback=("b", "a"))), "routes.x.fallback", "a is the primary, and cannot fall back"),
        (table(x=Route(clone="a", fallback=("b", "b"))), "routes.x.fallback", "b is named more than once"),
        (table(x=Route(clone="a", when_exhausted="fallback")), "routes.x.when_exhausted", "the route has none"),
        (
            table(x=Route(clone="a", backoff=Backoff(initial_s=61))),
            "routes.x.backoff",
            "initial_s is 61, more than maximum_s (60)",
        ),
        (
            table(x=Route(clone="a", non_retryable=("engine_crased",))),
            "routes.x.non_retryable",
            "there is no error code 'engine_crased' (did you mean engine_crashed?)",
        ),
        (table({"a": "x"}, x=HERE, y=asking("a")), "routes.y.may_ask", "a is an alias; write x"),
        (
            table(abc=HERE, y=asking("abd")),
            "routes.y.may_ask",
            "no task type abd (did you mean abc?); there are abc, y",
        ),
        (table(x=HERE, y=asking("x", "x")), "routes.y.may_ask", "x is named more than once"),
        (table(x=asking("x")), "routes.x.may_ask", "x -> x is a circle: no type may come to ask for itself"),
        (table(x=asking("y"), y=asking("z"), z=asking("x")), "routes.x.may_ask", "x -> y -> z -> x is a circle"),
    ],
)
def test_a_conflict_says_where_and_what(wrong: RoutingTable, path: str, said: str) -> None:
    first = next(each for each in conflicts(wrong) if ".".join(each.path) == path)
    assert said in first.message
    assert str(first) == f"{path}: {first.message}"


def test_clones_may_fall_back_for_each_other() -> None:
    assert conflicts(table(x=Route(clone="a", fallback=("b",)), y=Route(clone="b", fallback=("a",)))) == ()


def test_all_conflicts_are_told() -> None:
    wrong = table({"a": "b"}, command=Route(clone="omega", fallback=("omega",), when_exhausted="park"))
    assert [".".join(each.path) for each in conflicts(wrong)] == [
        "aliases.a",
        "routes.command",
        "routes.command.clone",
        "routes.command.fallback",
        "routes.command.fallback",
    ]


def answer(clone: str, **fields: Any) -> StatusResponse:
    """An instance that serves what the default table says."""
    mine = types_by_clone(FIVE).get(clone, ())
    primary = tuple(name for name in mine if FIVE.routes[name].clone == clone)
    told: dict[str, Any] = {
        "task_types": primary,
        "fallback_types": tuple(name for name in mine if name not in primary),
        "routes_revision": 7,
    }
    return status_of(clone, **(told | fields))


ALL = {clone: answer(clone) for clone in ("omega", *types_by_clone(FIVE))}


def in_force(table: RoutingTable = FIVE) -> Revision:
    return Revision(7, RoutesInForce(table=table, at=NOW, command=1))


def told(*instances: StatusResponse, table: RoutingTable = FIVE) -> list[tuple[str, str, str]]:
    return [(*finding,) for finding in disagreements(in_force(table), instances)]


def test_a_network_as_the_table_has_it_has_no_findings() -> None:
    assert told(*ALL.values()) == []


def test_a_primary_that_is_missing_is_noted_and_a_type_without_anybody_is_wrong() -> None:
    without_beta = {**ALL}
    del without_beta["beta"]
    assert told(*without_beta.values()) == [
        ("note", "security", "no instance of its primary beta answers; delta falls back for it"),
        ("note", "performance", "no instance of its primary beta answers; delta falls back for it"),
        ("note", "testing", "no instance of its fallback beta answers"),
    ]
    del without_beta["delta"]
    nobody = "nobody serves it: no instance of {} answers; its tasks wait"
    assert told(*without_beta.values()) == [
        ("wrong", "security", nobody.format("beta or delta")),
        ("wrong", "performance", nobody.format("beta or delta")),
        ("wrong", "testing", nobody.format("delta or beta")),
    ]


def test_an_instance_that_drains_does_not_count() -> None:
    draining = replace(ALL["beta"], state="draining")
    assert ("note", "security", "no instance of its primary beta answers; delta falls back for it") in told(
        *(draining if each is ALL["beta"] else each for each in ALL.values())
    )


def test_a_clone_that_cannot_serve_a_type() -> None:
    more = replace(FIVE, routes={**FIVE.routes, "translate": Route(clone="beta")})
    assert told(*ALL.values(), table=more) == [
        ("wrong", "translate", "nobody serves it: beta cannot serve it; its tasks wait"),
        ("wrong", "beta-1", "does not serve translate, which the table gives to beta"),
    ]


def test_two_primaries_of_different_clones() -> None:
    other = answer("gamma", instance="gamma-2", task_types=("architecture", "security"))
    assert told(*ALL.values(), other) == [
        ("wrong", "security", "two primaries: gamma-2 serves it as one, and the table names beta")
    ]


def test_instances_that_go_by_another_table_or_version() -> None:
    late = answer("beta", instance="beta-2", routes_revision=6)
    new = answer("beta", instance="beta-3", version="2")
    none = answer("beta", instance="beta-4", routes_revision=0)
    assert told(*ALL.values(), late, new, none) == [
        ("wrong", "beta-2", "goes by routing table 6, in force is 7"),
        ("wrong", "beta-4", "goes by routing table none, in force is 7"),
        (
            "note",
            "versions",
            "several run side by side: 1: omega-1, beta-1, gamma-1, delta-1, sigma-1, beta-2, beta-4; 2: beta-3",
        ),
    ]


def test_of_a_table_that_is_not_in_force_only_absences_are_told() -> None:
    moved = {**FIVE.routes, "security": Route(clone="gamma", fallback=("newcomer",))}
    assert [tuple(each) for each in absences(replace(FIVE, routes=moved), ALL.values())] == [
        ("note", "security", "no instance of its fallback newcomer answers")
    ]


OCR = replace(FIVE, routes={**FIVE.routes, "ocr": Route(clone="beta", fallback=("delta",))})


def able(clone: str, *handlers: str) -> StatusResponse:
    """An instance whose code can do these and what it serves."""
    told = answer(clone)
    return replace(told, handlers=(*told.task_types, *told.fallback_types, *handlers))


def test_a_clone_that_is_there_and_has_no_handler() -> None:
    others = [ALL[name] for name in ("omega", "gamma", "sigma")]
    nobody = [able("beta"), able("delta"), *others]
    assert [tuple(each) for each in absences(OCR, nobody)] == [
        ("wrong", "ocr", "nobody serves it: beta and delta cannot serve it; its tasks wait")
    ]
    one = [able("beta"), able("delta", "ocr"), *others]
    lacks = ("wrong", "ocr", "beta cannot serve it: it has no handler")
    assert [tuple(each) for each in absences(OCR, one)] == [lacks]
    assert [tuple(each) for each in doubts(FIVE, OCR, one)] == [lacks]
    assert absences(OCR, [able("beta", "ocr"), able("delta", "ocr"), *others]) == ()
    assert doubts(OCR, OCR, one) == (), "a change is warned of, not what stands"
    assert absences(OCR, ALL.values()) == (), "an earlier version does not say what it can do"
    assert ("wrong", "beta-1", "does not serve ocr, which the table gives to beta: it has no handler for it") in told(
        *one, table=OCR
    )


def test_a_clone_that_nobody_knows_may_be_misspelt() -> None:
    moved = replace(FIVE, routes={**FIVE.routes, "security": Route(clone="gama")})
    note = "no instance of gama (did you mean gamma?) answers"
    assert [tuple(each) for each in doubts(FIVE, moved, ALL.values())] == [("note", "security", note)]
    assert [tuple(each) for each in absences(moved, ALL.values())] == [
        ("wrong", "security", f"nobody serves it: {note}; its tasks wait")
    ]
    known = replace(FIVE, routes={**FIVE.routes, "security": Route(clone="gamma")})
    assert doubts(FIVE, known, [ALL["beta"]]) == ()


def test_changes_in_words() -> None:
    old = table({"a": "x"}, x=HERE, y=HERE)
    new = RoutingTable(
        weights=Weights(high=9),
        aliases={"b": "x"},
        routes={
            "x": Route(clone="gamma", fallback=("beta", "delta"), backoff=Backoff(initial_s=0.5), concurrency=3),
            "z": Route(clone="beta", fallback=("delta",)),
        },
    )
    assert changes(old, new) == (
        "weights.high: 8 -> 9",
        "aliases.a: x -> none",
        "aliases.b: none -> x",
        "routes.x.clone: beta -> gamma",
        "routes.x.fallback: none -> beta, delta",
        "routes.x.backoff.initial_s: 1 -> 0.5",
        "routes.x.concurrency: none -> 3",
        "routes.y: removed; its tasks that have not ended fail as unknown_task_type",
        "routes.z: new, served by beta, else delta",
    )
    assert changes(new, new) == ()
    assert changes(None, table(x=HERE)) == ("routes.x: new, served by beta",)
