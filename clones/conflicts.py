"""What is wrong with a routing table: in itself, and as the instances that answer see it. Pure."""

import difflib
from collections.abc import Iterable, Iterator, Set
from graphlib import CycleError, TopologicalSorter
from typing import Literal, NamedTuple

from bus.routes import Revision
from bus.server_config import FIXED_USERS
from bus.subjects import RESERVED_TYPES
from clones.routing import DEFAULT_TABLE, clones_of, types_by_clone
from schemas import ErrorCode, Route, RoutingTable, StatusResponse

MOST_TYPES = 500
"""Each has up to thirteen consumers, which stay when it is taken out of the table, and the ledger takes ten thousand."""
BUILT_IN = frozenset(types_by_clone(DEFAULT_TABLE))
"""The clones that everybody has."""


class Conflict(NamedTuple):
    """One thing in a table that contradicts another, or nothing can come of."""

    path: tuple[str, ...]
    """Where it stands, such as `("routes", "security", "fallback")`."""
    message: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.message}" if self.path else self.message


def conflicts(table: RoutingTable) -> tuple[Conflict, ...]:
    """Return all that keeps a table from being put into force, in its own order."""
    found = [] if table.routes else [Conflict(("routes",), "there are none: every task would be refused")]
    if len(table.routes) > MOST_TYPES:
        found.append(Conflict(("routes",), f"there are {len(table.routes):,}; a network has {MOST_TYPES} at most"))
    for alias, task_type in table.aliases.items():
        found += [Conflict(("aliases", alias), words) for words in _of_alias(table, alias, task_type)]
    for task_type, route in table.routes.items():
        found += [Conflict(("routes", task_type, *path), words) for path, words in _of_route(task_type, route)]
        found += [Conflict(("routes", task_type, "may_ask"), words) for words in _of_asks(table, route)]
    return (*found, *_asked_in_a_circle(table))


def _of_asks(table: RoutingTable, route: Route) -> Iterator[str]:
    for asked in dict.fromkeys(route.may_ask):
        if asked in table.aliases:
            yield f"{asked} is an alias; write {table.aliases[asked]}"
        elif asked not in table.routes:
            known = ", ".join(table.routes)
            yield f"there is no task type {asked}{did_you_mean(asked, table.routes)}; there are {known}"
        if route.may_ask.count(asked) > 1:
            yield f"{asked} is named more than once"


def _asked_in_a_circle(table: RoutingTable) -> Iterator[Conflict]:
    """Tasks that wait for each other in a circle can fill all slots and wait for ever."""
    try:
        TopologicalSorter({task_type: route.may_ask for task_type, route in table.routes.items()}).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1][::-1]  # who asks comes first
        words = f"{' -> '.join(circle)} is a circle: no type may come to ask for itself; take one of them out"
        yield Conflict(("routes", circle[0], "may_ask"), words)


def _of_alias(table: RoutingTable, alias: str, task_type: str) -> Iterator[str]:
    if alias in table.routes:
        yield f"{alias} is a task type itself; leave out the alias, or rename the type"
    if alias in RESERVED_TYPES:
        yield f"{alias} is a reserved word; choose another name"
    if task_type in table.routes:
        return
    if task_type in table.aliases:
        way = _way(table, alias)
        loops = f"{' -> '.join(way)} is a loop" if way[-1] in way[:-1] else f"{task_type} is an alias too"
        yield f"{loops}; an alias names a task type: {', '.join(table.routes)}"
    else:
        yield f"there is no task type {task_type}{did_you_mean(task_type, table.routes)}; there are {', '.join(table.routes)}"


def _way(table: RoutingTable, alias: str) -> list[str]:
    """Return where an alias leads over other aliases, to what is none, or to the first that comes again."""
    way = [alias]
    while (following := table.aliases.get(way[-1])) is not None:
        way.append(following)
        if following in way[:-1]:
            break
    return way


def _of_route(task_type: str, route: Route) -> Iterator[tuple[tuple[str, ...], str]]:
    if task_type in RESERVED_TYPES:
        yield (), f"{task_type} is a reserved word; choose another name for the type"
    if route.clone in FIXED_USERS:
        yield ("clone",), f"{route.clone} is no clone and serves no tasks"
    for clone in dict.fromkeys(route.fallback):
        if clone in FIXED_USERS:
            yield ("fallback",), f"{clone} is no clone and serves no tasks"
        if clone == route.clone:
            yield ("fallback",), f"{clone} is the primary, and cannot fall back for itself; leave it out"
        elif route.fallback.count(clone) > 1:
            yield ("fallback",), f"{clone} is named more than once"
    if route.when_exhausted == "fallback" and not route.fallback:
        yield ("when_exhausted",), 'is "fallback", and the route has none; name one, or choose "park" or "fail"'
    backoff = route.backoff
    if backoff.initial_s > backoff.maximum_s:
        words = f"initial_s is {backoff.initial_s:g}, more than maximum_s ({backoff.maximum_s:g}); raise that, or lower this"
        yield ("backoff",), words
    for code in route.non_retryable:
        if code not in set(ErrorCode):
            yield (
                ("non_retryable",),
                f"there is no error code {code!r}{did_you_mean(code, ErrorCode)}; there are {', '.join(ErrorCode)}",
            )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean …?)` with the known word that is nearest, or nothing where none is near."""
    close = difflib.get_close_matches(word, [str(each) for each in known], n=1)
    return f" (did you mean {close[0]}?)" if close else ""


class Finding(NamedTuple):
    """What a look at the instances that answer says about a table."""

    verdict: Literal["note", "wrong"]
    """`note`: works for now, or while versions change; `wrong`: tasks wait, or go elsewhere than the table says."""
    subject: str
    """A task type, a clone, an instance, or `versions`."""
    message: str


def absences(table: RoutingTable, instances: Iterable[StatusResponse]) -> tuple[Finding, ...]:
    """Return which of a table's clones no instance answers for, or cannot do what it gives them; it need not be in force."""
    answers = _staying(instances)
    there = {answer.clone for answer in answers}
    found: list[Finding] = []
    for task_type, route in table.routes.items():
        able = {answer.clone for answer in answers if _may_do(answer, task_type)}
        found += _missing(table, task_type, there, able)
        if able & set(clones_of(route)):
            unable = [clone for clone in clones_of(route) if clone in there - able]
            found += [Finding("wrong", task_type, f"{clone} cannot serve it: it has no handler") for clone in unable]
    return tuple(found)


def doubts(current: RoutingTable, wanted: RoutingTable, instances: Iterable[StatusResponse]) -> tuple[Finding, ...]:
    """Return what a change would bring: types given to clones that are there and cannot do them, and to clones nobody knows.

    A clone that is not there is only worth a note: it may be about to be started.
    """
    answers = _staying(instances)
    there = {answer.clone for answer in answers}
    known = there | {clone for route in current.routes.values() for clone in clones_of(route)}
    found: list[Finding] = []
    for task_type, route in wanted.routes.items():
        before = clones_of(current.routes[task_type]) if task_type in current.routes else ()
        for clone in clones_of(route):
            if clone in before:
                continue
            if clone not in known:
                found.append(Finding("note", task_type, f"no instance of {_named(clone, known)} answers"))
            elif clone in there and not any(answer.clone == clone and _may_do(answer, task_type) for answer in answers):
                found.append(Finding("wrong", task_type, f"{clone} cannot serve it: it has no handler"))
    return tuple(found)


def _may_do(answer: StatusResponse, task_type: str) -> bool:
    """Tell whether an instance's code has a handler for a type; one that does not say may have it."""
    return not answer.handlers or task_type in answer.handlers


def _named(clone: str, known: Set[str]) -> str:
    """Return a clone that is not there as a person should read it: it may be one that is known, misspelt."""
    return clone if clone in known else f"{clone}{did_you_mean(clone, sorted(known - set(FIXED_USERS)))}"


def disagreements(revision: Revision, instances: Iterable[StatusResponse]) -> tuple[Finding, ...]:
    """Return where the clones that answer and the table in force disagree."""
    table, answers = revision.routes.table, _staying(instances)
    findings = [finding for task_type in table.routes for finding in _of_type(table, task_type, answers)]
    for answer in answers:
        findings += _of_instance(table, answer, revision.number)
    versions = {answer.version for answer in answers}
    if len(versions) > 1:
        told = "; ".join(f"{version}: {_instances(answers, version)}" for version in sorted(versions))
        findings.append(Finding("note", "versions", f"several run side by side: {told}"))
    return tuple(findings)


def _staying(instances: Iterable[StatusResponse]) -> tuple[StatusResponse, ...]:
    """Return the instances that count: those that drain take nothing any more."""
    return tuple(answer for answer in instances if answer.state != "draining")


def _of_type(table: RoutingTable, task_type: str, answers: tuple[StatusResponse, ...]) -> Iterator[Finding]:
    route = table.routes[task_type]
    able = {
        answer.clone
        for answer in answers
        if answer.clone in clones_of(route) and task_type in (*answer.task_types, *answer.fallback_types)
    }
    yield from _missing(table, task_type, {answer.clone for answer in answers}, able)


def _missing(table: RoutingTable, task_type: str, there: Set[str], able: Set[str]) -> Iterator[Finding]:
    """Tell of a type whose clones are not all there; `able` are those of them that can serve it."""
    route = table.routes[task_type]
    silent = [clone for clone in clones_of(route) if clone not in there]
    known = there | BUILT_IN
    if not able & set(clones_of(route)):
        unable = [clone for clone in clones_of(route) if clone in there]
        names = " or ".join(_named(clone, known) for clone in silent)
        why = [f"no instance of {names} answers"] if silent else []
        why += [f"{' and '.join(unable)} cannot serve it"] if unable else []
        yield Finding("wrong", task_type, f"nobody serves it: {', and '.join(why)}; its tasks wait")
        return
    if route.clone in silent:
        where = f"; {', '.join(clone for clone in clones_of(route) if clone in able)} falls back for it"
        yield Finding("note", task_type, f"no instance of its primary {_named(route.clone, known)} answers{where}")
    for clone in route.fallback:
        if clone in silent:
            yield Finding("note", task_type, f"no instance of its fallback {_named(clone, known)} answers")


def _of_instance(table: RoutingTable, answer: StatusResponse, revision: int) -> Iterator[Finding]:
    if answer.routes_revision != revision:
        words = f"goes by routing table {answer.routes_revision or 'none'}, in force is {revision}"
        yield Finding("wrong", answer.instance, words)
    for task_type in answer.task_types:
        route = table.routes.get(task_type)
        if route is not None and route.clone != answer.clone and answer.clone not in FIXED_USERS:
            words = f"two primaries: {answer.instance} serves it as one, and the table names {route.clone}"
            yield Finding("wrong", task_type, words)
    served = {*answer.task_types, *answer.fallback_types}
    for task_type, route in table.routes.items():
        if answer.clone in clones_of(route) and task_type not in served and answer.state == "ready":
            why = "" if _may_do(answer, task_type) else ": it has no handler for it"
            words = f"does not serve {task_type}, which the table gives to {answer.clone}{why}"
            yield Finding("wrong", answer.instance, words)


def _instances(answers: tuple[StatusResponse, ...], version: str) -> str:
    return ", ".join(answer.instance for answer in answers if answer.version == version)
