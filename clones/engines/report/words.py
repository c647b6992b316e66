"""A language model's words as the report shows them: apart from the findings, and marked as what they are. Pure."""

from typing import Any

import msgspec

from clones.engines.report import shapes, wording
from clones.engines.report.wording import Some, some

MAX_ENTRIES = 20
_MAX_CHARS = 4000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The model's words on one item; what names the item comes from the engine."""

    title: str
    file: str
    line: int | None
    texts: tuple[tuple[str, str], ...]
    """What each text is, and the text."""


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """A model's words on one task."""

    model: str
    problem: str
    """Why there are none; empty when there are."""
    overview: str
    entries: Some[Entry]
    effort: str
    """What they took: requests, tokens, time and cost."""


def words(advice: Any) -> Words | None:
    """Return what the report shows of `Section.advice`; None where no model was asked."""
    told = shapes.read_advice(advice)
    if told is None:
        return None
    return Words(
        model=told.model,
        problem="" if told.outcome == "given" else told.problem or told.outcome,
        overview=wording.cut(told.overview, _MAX_CHARS),
        entries=some([_entry(entry) for entry in told.entries], MAX_ENTRIES),
        effort=_effort(told),
    )


def _entry(entry: dict[str, Any]) -> Entry:
    about = entry.get("about")
    known = about if isinstance(about, dict) else {}
    line = known.get("line")
    return Entry(
        title=str(known.get("title", "")),
        file=str(known.get("file", "")),
        line=line if isinstance(line, int) else None,
        texts=tuple(
            (name.replace("_", " "), wording.cut(str(text), _MAX_CHARS))
            for name, text in entry.items()
            if name != "about"
        ),
    )


def _effort(told: shapes.ModelAdvice) -> str:
    if not told.requests:
        return "no request was made"
    parts = [wording.plural(told.requests, "request")]
    if told.prompt_tokens or told.answer_tokens:
        parts.append(
            f"{wording.number(told.prompt_tokens)} tokens of prompt and {wording.number(told.answer_tokens)} of answer"
        )
    parts.append(wording.duration(told.took_s))
    if told.cost_usd:
        parts.append(f"${told.cost_usd:.4f}")
    return ", ".join(parts)
