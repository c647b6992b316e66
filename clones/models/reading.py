"""A model's answer, checked: well-formed, in the asked shape, and about items that there are. Pure."""

import re
from typing import Any

import msgspec

from clones.models.question import MAX_ENTRIES, Answer, Entry, Form, Item, shortened

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


class Unusable(Exception):
    """An answer cannot be used; the message says why, in words that the model is told too."""


def read(text: str, form: Form, items: tuple[Item, ...]) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Return the overview and the entries of an answer, each entry with what the engine says of its item as `about`.

    What is said a second time of one item is left out, as are entries beyond those that were asked for; texts that are too
    long are cut.

    Raises:
        Unusable: it is no such answer.
    """
    try:
        answer = msgspec.json.decode(_json(text), type=Answer)
        entries = [msgspec.json.decode(raw, type=form.entry) for raw in answer.entries]
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Unusable(f"the answer is not the JSON object that was asked for: {error}") from None
    if not entries:
        raise Unusable("the answer has no entries")
    if strange := sorted({entry.item for entry in entries if not 1 <= entry.item <= form.items}):
        numbers = ", ".join(map(str, strange[:10]))
        raise Unusable(f"the answer speaks of items that are not there: {numbers}; they are numbered 1 to {form.items}")
    first: dict[int, Entry] = {}
    for entry in entries:
        first.setdefault(entry.item, entry)
    overview = _cut(answer.overview, form.overview_chars)
    told = [(entry.item, _texts(entry, form)) for entry in list(first.values())[:MAX_ENTRIES]]
    if not all((overview, *(text for _, texts in told for text in texts.values()))):
        raise Unusable("the answer has texts that are empty")
    return overview, tuple({"about": shortened(items[item - 1].about), **texts} for item, texts in told)


def _texts(entry: Entry, form: Form) -> dict[str, str]:
    texts = msgspec.structs.asdict(entry)
    del texts["item"]
    return {name: _cut(text, form.text_chars) for name, text in texts.items()}


def _json(text: str) -> str:
    """Return the object in a text that may have a fence or prose around it."""
    if fenced := _FENCED.search(text):
        return fenced[1]
    begin, end = text.find("{"), text.rfind("}")
    return text[begin : end + 1] if 0 <= begin < end else text


def _cut(text: str, limit: int) -> str:
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"
