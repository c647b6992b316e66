"""What a replay came to, as a page: Markdown, and the same as HTML that opens without a network. Pure."""

import html
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import msgspec

from ops.replaying.comparing import COMPARED, VERDICTS, Durations, Outcome, Row, Verdict

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#1b1f24}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #d0d7de;padding:.25em .6em;text-align:left;"
    "vertical-align:top}th{background:#f6f8fa}code{font-size:90%}.different,.pending{color:#b42318}.equal{color:#1a7f37}"
)


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """All that is told of a replay."""

    recorded: str
    """The realm that was recorded."""
    into: str
    """The realm that it was driven into."""
    speed: str
    """How many times as fast as recorded, in words."""
    first: datetime | None
    """When the first of the submissions was recorded; None: there were none."""
    last: datetime | None
    submissions: int
    late_s: float
    """By how much the latest submission missed its moment, in seconds."""
    equal: bool
    counts: dict[Verdict, int]
    rows: tuple[Row, ...]
    left_out: int
    durations: tuple[Durations, ...]
    ids: dict[str, str]
    """The ids that had to be others, from the recorded one to the one in the target."""
    notes: tuple[str, ...] = ()


def markdown(replay: Replay) -> str:
    """Return the page as Markdown."""
    lines = [f"# Replay of {_md(replay.recorded)} into {_md(replay.into)}", "", _md(verdict(replay)), ""]
    lines += [f"- {_md(line)}" for line in facts(replay)]
    lines += ["", "## Outcomes", "", *_md_table(ROW_COLUMNS, map(cells, replay.rows))]
    if replay.left_out:
        lines += ["", f"{replay.left_out} more are counted and not listed."]
    different = [row for row in replay.rows if row.differences]
    if different:
        lines += ["", "## What differs"]
    for row in different:
        lines += ["", f"### {_md(name_of(row))}", "", *(f"- {_md(told)}" for told in row.differences)]
    lines += ["", "## Durations", "", *_md_table(DURATION_COLUMNS, map(duration_cells, replay.durations))]
    if replay.ids:
        lines += ["", "## Ids", "", *_md_table(("recorded", "in the target"), replay.ids.items())]
    return "\n".join(lines) + "\n"


def page(replay: Replay) -> str:
    """Return the page as HTML."""
    title = html.escape(f"Replay of {replay.recorded} into {replay.into}")
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>',
        f"<h1>{title}</h1><p><strong>{html.escape(verdict(replay))}</strong></p>",
        "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in facts(replay)) + "</ul>",
        "<h2>Outcomes</h2>",
        _table(ROW_COLUMNS, ((row.verdict, cells(row)) for row in replay.rows)),
    ]
    if replay.left_out:
        parts.append(f"<p>{replay.left_out} more are counted and not listed.</p>")
    different = [row for row in replay.rows if row.differences]
    if different:
        parts.append("<h2>What differs</h2>")
    for row in different:
        items = "".join(f"<li><code>{html.escape(told)}</code></li>" for told in row.differences)
        parts.append(f"<h3>{html.escape(name_of(row))}</h3><ul>{items}</ul>")
    parts.append("<h2>Durations</h2>")
    parts.append(_table(DURATION_COLUMNS, (("", duration_cells(each)) for each in replay.durations)))
    if replay.ids:
        parts.append("<h2>Ids</h2>")
        parts.append(_table(("recorded", "in the target"), (("", pair) for pair in replay.ids.items())))
    return "\n".join(parts) + "</html>\n"


def verdict(replay: Replay) -> str:
    """Return in one sentence what it came to."""
    if not replay.counts:
        return "Nothing was recorded that could be driven once more."
    compared, rest = _counted(replay, COMPARED), _counted(replay, VERDICTS.keys() - set(COMPARED))
    if not compared:
        return f"Nothing could be compared: {rest}."
    left_out = f"; not compared: {rest}" if rest else ""
    return f"{'Equal outcomes' if replay.equal else 'The outcomes differ'}: {compared}{left_out}."


def _counted(replay: Replay, verdicts: Collection[Verdict]) -> str:
    return ", ".join(f"{count} {name}" for name, count in replay.counts.items() if count and name in verdicts)


def facts(replay: Replay) -> list[str]:
    """Return what is to be known of it."""
    submissions = "submission" if replay.submissions == 1 else "submissions"
    told = [f"{replay.submissions} {submissions} at speed {replay.speed}"]
    if replay.first is not None and replay.last is not None:
        told[0] += f", recorded from {replay.first.isoformat()} to {replay.last.isoformat()}"
    if replay.late_s >= 0.1:
        told.append(f"the latest submission was {replay.late_s:.1f} s behind its moment")
    told += [f"{name}: {VERDICTS[name]}" for name, count in replay.counts.items() if count]
    return [*told, *replay.notes]


ROW_COLUMNS = (
    "task",
    "verdict",
    "then",
    "now",
    "ran then",
    "ran now",
    "digest then",
    "digest now",
    "files that differ",
)
DURATION_COLUMNS = ("type", "count", "median then", "median now", "p95 then", "p95 now", "total then", "total now")


def name_of(row: Row) -> str:
    """Return what a row is about."""
    return f"#{row.sequence} {row.task_type} {row.task_id}" if not row.step else f"#{row.sequence} {row.step}"


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells, of `ROW_COLUMNS`."""
    return (
        name_of(row),
        row.verdict,
        _state(row.before),
        _state(row.after),
        _seconds(row.before.ran_s if row.before else None),
        _seconds(row.after.ran_s if row.after else None),
        row.before.digest[:12] if row.before else "-",
        row.after.digest[:12] if row.after else "-",
        ", ".join(row.files),
    )


def duration_cells(each: Durations) -> tuple[str, ...]:
    """Return the cells of one task type, of `DURATION_COLUMNS`."""
    figures = (
        *(each.before_median_s, each.after_median_s, each.before_p95_s, each.after_p95_s),
        *(each.before_total_s, each.after_total_s),
    )
    return each.task_type, str(each.count), *map(_seconds, figures)


def _state(outcome: Outcome | None) -> str:
    if outcome is None:
        return "-"
    code = f" {outcome.code}" if outcome.code else ""
    return f"{outcome.state}{code}{' (from a cache)' if outcome.cached_from else ''}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"


def _md(text: str) -> str:
    """Return text that Markdown takes as it is, on one line."""
    plain = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in plain)


def _md_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(map(_md, row))} |" for row in rows),
    ]


def _table(columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        f'<tr class="{html.escape(kind)}">' + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for kind, row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
