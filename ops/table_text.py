"""A routing table written as TOML for people. Pure; `ops.table_file.read_table` reads it back as it was."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from bus.routes import Revision
from schemas import Route, RoutingTable

LEGEND = """\
# The settings of a route, each with what counts where it is left out ("-": it must be there, "none": no limit):
#   clone                -         the primary, which serves the type
#   fallback             []        clones that take over, in this order
#   fallback_when        "absent"  "absent": while no instance of the primary is there; "busy": also while all are busy
#   default_priority     "medium"  what a task counts as whose subject names no priority: "high", "medium", "low"
#   timeout_s            60        seconds that one attempt may run
#   schedule_to_start_s  none      seconds that a task may wait for its first start
#   retries              0         attempts after the first that follow a failure which may pass
#   backoff              { initial_s = 1, coefficient = 2, maximum_s = 60, jitter = 0.5 }
#                                  seconds between attempts: initial_s * coefficient ** (attempt - 1), at most maximum_s
#   non_retryable        []        error codes that are not retried although they would be
#   concurrency          none      tasks of the type that each instance runs at once
#   rate_per_s           none      tasks of the type that each instance starts a second
#   when_exhausted       "fail"    when the attempts run out: "fail", "fallback" (the next clone does it), "park" (a person decides)
#   severity             "high"    of the escalation then: "low", "medium", "high", "critical"
#   may_ask              []        task types that a task of this type may ask other clones for; in no circle
"""
ALWAYS = ("clone", "fallback", "default_priority", "timeout_s", "retries")
"""Settings that are written whatever they are."""


def write_table(table: RoutingTable, *, heading: Iterable[str] = ()) -> str:
    """Return the table as TOML, with `heading` as comments at its top."""
    lines = [f"# {line}" for line in heading]
    lines += ["", "# How often a free slot goes to each priority while all of them have tasks waiting.", "[weights]"]
    lines += [f"{name} = {value}" for name, value in msgspec.structs.asdict(table.weights).items()]
    if table.aliases:
        lines += ["", "# Other names of task types, for the command line and for calls.", "[aliases]"]
        lines += [f"{alias} = {_toml(name)}" for alias, name in table.aliases.items()]
    return "\n".join([*lines, "", LEGEND, *(write_route(name, route) for name, route in table.routes.items())])


def write_route(task_type: str, route: Route) -> str:
    """Return one route as TOML, with what differs from the defaults, and what every reader looks for."""
    lines = [f"[routes.{task_type}]"]
    for field in msgspec.structs.fields(Route):
        value = getattr(route, field.name)
        default = field.default if field.default is not msgspec.NODEFAULT else None
        if field.name in ALWAYS or value != default:
            lines.append(f"{field.name} = {_toml(value)}")
    return "\n".join([*lines, ""])


def heading(revision: Revision) -> tuple[str, ...]:
    """Return what is to be said about a revision above its table."""
    routes = revision.routes
    said = f"Routing table, revision {revision.number}, in force since {routes.at:%Y-%m-%d %H:%M:%S} UTC"
    return said, "Change it here and put it into force: sanctuary routes set FILE"


def _toml(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        differing = {
            field.name: getattr(value, field.name)
            for field in msgspec.structs.fields(value)
            if getattr(value, field.name) != field.default
        }
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in differing.items()) + " }"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        # JSON's strings are TOML's, but for one character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
