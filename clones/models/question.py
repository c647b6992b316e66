"""A question to a model: numbered items that the engines found, and the shape of the answer. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from msgspec import Meta

MAX_ENTRIES = 8
"""Items that an answer speaks of."""
BYTES_PER_TOKEN = 3
"""By which a prompt is cut before it is sent: English and source code have more, so that prompts stay below their share."""
CHARS_PER_TOKEN = 2
"""By which the texts of an answer are bounded; models write more into a token, but for some scripts."""
MAX_CHARS = 60_000
"""Of all texts of an answer, whatever its tokens: with the engine's data beside them, they have to fit into one message."""
_OVERVIEW_SHARE = 0.2
_ABOUT_CHARS = 300

Text = Annotated[str, Meta(min_length=1)]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the model says of one item; kinds of questions add texts, each with a description in its `Meta`."""

    item: int
    """The item's number, from 1."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A model's whole answer before its entries are read in their own kind."""

    overview: Text
    entries: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that an engine found."""

    about: Mapping[str, Any]
    """What names it; stands in the result beside the model's words on it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else the model is shown."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked."""

    instructions: str
    """What to do with the items, by whoever wrote the clone; no part of it comes from a target."""
    entry: type[Entry]
    items: tuple[Item, ...]
    """The most important first: what is too much for the prompt is left out from the end."""
    overview: str = "one paragraph for a person who reads nothing else"
    """What the answer's overview is to be."""


@dataclass(frozen=True, slots=True)
class Share:
    """How a task's tokens are shared out: two requests, the second with the first answer in its prompt."""

    prompt_bytes: int
    answer_tokens: int

    @classmethod
    def of(cls, max_tokens: int) -> "Share":
        """Return the shares of one task's tokens."""
        answer = max_tokens // 8
        return cls(prompt_bytes=(max_tokens // 2 - 2 * answer) * BYTES_PER_TOKEN, answer_tokens=answer)


@dataclass(frozen=True, slots=True)
class Form:
    """The shape of an answer to one question, with lengths that let an answer which fills them fit into its tokens."""

    entry: type[Entry]
    items: int
    overview: str
    overview_chars: int
    text_chars: int

    @classmethod
    def of(cls, question: Question, shown: int, answer_tokens: int) -> "Form":
        """Return the form for so many items."""
        chars = min(answer_tokens * CHARS_PER_TOKEN, MAX_CHARS)
        entries = min(shown, MAX_ENTRIES)
        texts = max(1, len(_texts(question.entry)))
        return cls(
            entry=question.entry,
            items=shown,
            overview=question.overview,
            overview_chars=int(chars * _OVERVIEW_SHARE),
            text_chars=int(chars * (1 - 2 * _OVERVIEW_SHARE)) // (entries * texts),
        )

    def schema(self) -> dict[str, Any]:
        """Return it as JSON Schema, in what OpenAI's strict mode takes."""
        texts = {name: {"type": "string", "minLength": 1, "maxLength": self.text_chars} for name in _texts(self.entry)}
        entry = _closed({"item": {"type": "integer", "enum": list(range(1, self.items + 1))}, **texts})
        entries = {"type": "array", "minItems": 1, "maxItems": min(self.items, MAX_ENTRIES), "items": entry}
        overview = {"type": "string", "minLength": 1, "maxLength": self.overview_chars}
        return _closed({"overview": overview, "entries": entries})

    def words(self) -> str:
        """Return it in words, for a model that takes no schema."""
        texts = "".join(
            f', "{name}": "<{description}; at most {self.text_chars} characters>"'
            for name, description in _texts(self.entry).items()
        )
        return (
            f'{{"overview": "<{self.overview}; at most {self.overview_chars} characters>", '
            f'"entries": [{{"item": <its number>{texts}}}, … at most {min(self.items, MAX_ENTRIES)}]}}'
        )


def shown_lines(items: Iterable[Item], limit_bytes: int) -> list[str]:
    """Return the items as numbered JSON lines, as many as there is room for."""
    lines: list[str] = []
    used = 0
    for number, item in enumerate(items, 1):
        line = msgspec.json.encode({"item": number, **shortened(item.about), **shortened(item.facts)})
        used += len(line) + 1
        if used > limit_bytes:
            break
        lines.append(line.decode())
    return lines


def shortened(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` without empty ones, and with long texts cut."""
    return {
        key: value[:_ABOUT_CHARS] + "…" if isinstance(value, str) and len(value) > _ABOUT_CHARS else value
        for key, value in values.items()
        if value not in (None, "", [], ())
    }


def _texts(entry: type[Entry]) -> dict[str, str]:
    """Return what an entry has beside its number, each with its description."""
    schema = msgspec.json.schema(entry)
    properties = schema["$defs"][entry.__name__]["properties"]
    return {name: about.get("description", name) for name, about in properties.items() if name != "item"}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
