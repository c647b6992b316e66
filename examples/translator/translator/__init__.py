"""A clone of one's own: it takes tasks of the type `translate`. Run it here with `sanctuary clone translator:Translator`."""

import json
from importlib.resources import files
from typing import Literal

import msgspec

from bus.task import Done, Task, TaskError
from clones.base import Clone, serves
from schemas import Route


class TranslateParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the `params` of a `translate` task hold: checked and converted before a handler sees them."""

    text: str
    to: Literal["german", "latin"] = "latin"


class Translator(Clone):
    """Translates word by word."""

    name = "translator"
    routes = {"translate": Route(clone="translator", timeout_s=10, retries=1)}

    async def start(self) -> None:
        """Read the dictionaries, once."""
        self.words = json.loads(files("translator").joinpath("words.json").read_text(encoding="utf-8"))

    @serves("translate")
    async def translate(self, task: Task, params: TranslateParams) -> Done:
        """Look each word up; a text with an unknown one cannot be translated, today or tomorrow."""
        words = self.words[params.to]
        if unknown := [word for word in params.text.split() if word not in words]:
            raise TaskError.incompatible(f"no {params.to} is known for: {', '.join(unknown)}")
        task.report(0.5, "all words are known")
        return Done(summary=f"to {params.to}", output=" ".join(words[word] for word in params.text.split()))
