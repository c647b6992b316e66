"""The options by which `audit` commands are told which entries are wanted."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bus.subjects import RESERVED_TYPES
from ops.assignments import labels
from ops.cli.lines import COLOURS
from ops.cli.options import UNUSABLE, fail
from ops.cli.text import clean
from ops.cli.times import point_in_time
from ops.filters import OUTCOMES, Filter, Outcome

if TYPE_CHECKING:
    from ops.archive.source import Source

_F = TypeVar("_F", bound=Callable[..., Any])


class _Kind(click.Choice[str]):
    """A kind of message, in any case of letters; what is none of them is answered with their names as they are written."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"{clean(str(value))!r} is no kind of message: those are {', '.join(self.choices)}."


def filter_options(command: _F) -> _F:
    """Add the options of a filter; the command gets them as `wanted`, a Filter whose types may still be aliases."""

    @click.option(
        "--type", "types", multiple=True, metavar="TYPE", help="Only about this task type (`workflow`: workflows)."
    )
    @click.option("--clone", "clones", multiple=True, metavar="NAME", help="Only what this clone wrote, or was given.")
    @click.option(
        "--outcome", "outcomes", multiple=True, type=click.Choice(OUTCOMES), help="Only results, that ended so."
    )
    @click.option(
        "--kind",
        "kinds",
        multiple=True,
        metavar="KIND",
        type=_Kind(list(COLOURS), case_sensitive=False),
        help="Only messages of this kind, such as TaskFailure.",
    )
    @click.option("-l", "--label", "pairs", multiple=True, metavar="KEY=VALUE", help="Only what carries this label.")
    @click.option(
        "--by",
        "by",
        multiple=True,
        metavar="WHO",
        help="Only what this person (ann, or ann@host), instance or signing key wrote.",
    )
    @click.option("--text", default="", metavar="TEXT", help="Only where the subject or the message holds this.")
    @click.option(
        "--since", metavar="TIME", help="Only what was stored since then: 90s, 15m, 2h, 3d ago, or 2026-11-20T10:00Z."
    )
    @click.option("--until", metavar="TIME", help="Only what was stored before then; as --since.")
    @functools.wraps(command)
    def with_filter(
        *args: Any,
        types: tuple[str, ...],
        clones: tuple[str, ...],
        outcomes: tuple[Outcome, ...],
        kinds: tuple[str, ...],
        pairs: tuple[str, ...],
        by: tuple[str, ...],
        text: str,
        since: str | None,
        until: str | None,
        **kwargs: Any,
    ) -> Any:
        now = datetime.now(UTC)
        try:
            wanted = Filter(
                types=types,
                clones=clones,
                outcomes=outcomes,
                kinds=kinds,
                labels=labels(pairs),
                by=by,
                text=text,
                since=point_in_time(since, now, "--since"),
                until=point_in_time(until, now, "--until"),
            )
        except ValueError as error:
            fail(str(error), status=UNUSABLE)
        if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
            fail(
                f"nothing lies between --since {since} and --until {until}: --since is the earlier one", status=UNUSABLE
            )
        return command(*args, wanted=wanted, **kwargs)

    return with_filter  # type: ignore[return-value]  # click turns it into a command, whatever its type


async def resolved(source: "Source", wanted: Filter) -> Filter:
    """Return a filter whose types are no aliases any more: by the table in force, or the default one where no server answers.

    A type that nobody serves may have been served once; that nobody does is said.
    """
    from clones.routing import DEFAULT_TABLE, known_types
    from clones.tables import table_of

    table = DEFAULT_TABLE if source.network is None else await table_of(source.network)
    wanted = wanted.with_aliases(table.aliases)
    unserved = [name for name in wanted.types if name not in RESERVED_TYPES and name not in table.routes]
    if unserved:
        click.echo(f"No clone serves {', '.join(map(clean, unserved))}. Known: {known_types(table)}", err=True)
    return wanted
