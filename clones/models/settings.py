"""The file that gives a clone a model: AutoGen's component configuration of a model client, with limits and prices.

    provider = "autogen_ext.models.openai.OpenAIChatCompletionClient"

    [config]
    model = "gpt-4o-mini"

    [limits]
    timeout_s = 60

    [prices]
    prompt = 0.15
    answer = 0.60

What `dump_component()` of a client gives is such a file too. Keys of providers need not stand in it: the clients take them
from the environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`).
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bus.errors import SanctuaryError

MAX_FILE_BYTES = 1024 * 1024


class ModelUnusable(SanctuaryError):
    """A model cannot be used as it is configured; the message says in which file, at which key, and what to do."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model may take."""

    timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    """For all requests of one task together."""
    max_tokens: Annotated[int, Meta(ge=4000, le=10_000_000)] = 32_000
    """Of all requests of one task together, prompts and answers."""
    budget_usd: Annotated[float, Meta(gt=0)] | None = None
    """Of one clone's process on one day (UTC), by the configured prices; None: no limit."""


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars for a million tokens."""

    prompt: Annotated[float, Meta(ge=0)]
    answer: Annotated[float, Meta(ge=0)]


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file holds."""

    provider: str
    """The client's class, as AutoGen names it."""
    config: dict[str, Any] = {}
    """For the client, which says what it misses."""
    component_type: str | None = None
    version: int | None = None
    component_version: int | None = None
    description: str | None = None
    label: str | None = None
    limits: Limits = Limits()
    prices: Prices | None = None

    def component(self) -> dict[str, Any]:
        """Return AutoGen's part of it."""
        fields = ("provider", "config", "component_type", "version", "component_version", "description", "label")
        return {name: getattr(self, name) for name in fields}

    def model_name(self) -> str:
        """Return what the model is called in results and metrics."""
        named = self.config.get("model") or self.config.get("azure_deployment")
        return str(named or self.label or self.provider.rpartition(".")[2])


_TABLES: dict[str, type[msgspec.Struct]] = {"limits": Limits, "prices": Prices}


def read_settings(path: Path) -> ModelSettings:
    """Return what a JSON or TOML file says; the suffix `.json` makes it JSON.

    Raises:
        ModelUnusable: it cannot be read, or something in it is wrong.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ModelUnusable(
            f"{path}: {error.strerror}. --model names a JSON or TOML file: see docs/models.md"
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise ModelUnusable(f"{path} is no model's configuration: it is larger than {MAX_FILE_BYTES} bytes")
    try:
        plain = msgspec.json.decode(content) if path.suffix == ".json" else tomllib.loads(content.decode())
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ModelUnusable(f"{path} is not {kind}: {error}") from None
    try:
        settings = msgspec.convert(plain, ModelSettings)
    except msgspec.ValidationError as error:
        raise ModelUnusable(f"{path}: {error}. {_keys(str(error))}") from None
    if settings.limits.budget_usd is not None and settings.prices is None:
        raise ModelUnusable(f"{path}: limits.budget_usd needs prices: add prices.prompt and prices.answer")
    return settings


def _keys(problem: str) -> str:
    """Return which keys the table takes that a message of msgspec's speaks of, or the file where it speaks of none."""
    place = problem.rpartition(" - at `$.")[2].rstrip("`").partition(".")[0] if " - at `$." in problem else ""
    table = _TABLES.get(place)
    whose = "Its keys are" if table is None else f"The keys of [{place}] are"
    return f"{whose} {', '.join(field.name for field in msgspec.structs.fields(table or ModelSettings))}"
