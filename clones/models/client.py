"""AutoGen's model clients: one loaded from a configuration, and asked for JSON as its provider takes it.

AutoGen, and a provider's library, are imported here alone and when a model is loaded.
"""

import copy
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from clones.models.settings import ModelSettings, ModelUnusable

if TYPE_CHECKING:
    from autogen_core.models import ChatCompletionClient, LLMMessage
    from pydantic import BaseModel

EXTRAS = ("openai", "anthropic", "ollama")
"""Sanctuary's extras, each named as the module below `autogen_ext.models` that needs it."""

_CUT_OFF = "length"
_MAX_PROBLEM_CHARS = 500
_REASONING = ("o1", "o3", "o4", "gpt-5")
"""Families of OpenAI's models that refuse `max_tokens` and want `max_completion_tokens`."""
_SECRET_KEYS = ("api_key", "default_headers", "headers", "azure_ad_token")

log = logging.getLogger(__name__)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a request brought."""

    text: str
    cut_off: bool
    """Whether the model was stopped at the most tokens that it was allowed."""
    prompt_tokens: int
    answer_tokens: int


class Client:
    """A loaded model client."""

    def __init__(self, client: "ChatCompletionClient", secrets: Sequence[str] = ()) -> None:
        """Take AutoGen's client, and texts that may stand in no message."""
        self._client = client
        self._secrets = tuple(secrets)
        # Where the provider's library is asked for, as custom clients derive from these.
        modules = [kind.__module__.split(".") for kind in type(client).__mro__]
        self._provider = next((module[2] for module in modules if module[:2] == ["autogen_ext", "models"]), "")

    async def create(self, messages: "Sequence[LLMMessage]", schema: Mapping[str, Any], max_tokens: int) -> Reply:
        """Ask once, for JSON of this schema where the model can be held to it; raises whatever the client does."""
        info = self._client.model_info
        form: bool | type[BaseModel] | None = None
        if self._provider != "anthropic":  # AutoGen's client for it refuses schemas, and ignores the rest
            form = _type_of(schema) if info.get("structured_output") else bool(info.get("json_output")) or None
        try:
            result = await self._client.create(
                messages, json_output=form, extra_create_args=self._limit(max_tokens, str(info.get("family", "")))
            )
        except Exception as error:
            # OpenAI's library raises where an answer was cut off that should have had a schema, and has it all the same.
            completion = getattr(error, "completion", None)
            if completion is None or completion.usage is None:
                raise
            usage = completion.usage
            return Reply(
                text=completion.choices[0].message.content or "",
                cut_off=True,
                prompt_tokens=usage.prompt_tokens,
                answer_tokens=usage.completion_tokens,
            )
        return Reply(
            text=result.content if isinstance(result.content, str) else "",
            cut_off=result.finish_reason == _CUT_OFF,
            prompt_tokens=result.usage.prompt_tokens,
            answer_tokens=result.usage.completion_tokens,
        )

    def describe(self, error: BaseException) -> str:
        """Return in words what a request raised, without any secret of the configuration."""
        return _describe(error, self._secrets)

    async def close(self) -> None:
        """Close the client's connections."""
        await self._client.close()

    def _limit(self, max_tokens: int, family: str) -> dict[str, Any]:
        """Return what tells the provider where to stop; of a client that is not AutoGen's own, nothing is known."""
        match self._provider:
            case "openai":
                return {"max_completion_tokens" if family.startswith(_REASONING) else "max_tokens": max_tokens}
            case "anthropic":
                return {"max_tokens": max_tokens}
            case "ollama":
                return {"num_predict": max_tokens}
            case _:
                return {}


def load_client(settings: ModelSettings, path: Path) -> Client:
    """Return the client that a configuration names; `path` is where it was read, for messages. Blocks: it imports libraries.

    Raises:
        ModelUnusable: a library is missing, or the client refuses its configuration.
    """
    from autogen_core.models import ChatCompletionClient
    from pydantic import ValidationError

    # Said of every model whose provider has newer ones of the same name.
    warnings.filterwarnings("ignore", message="Resolved model mismatch", category=UserWarning)
    secrets = _secrets(settings.config)
    try:
        client = ChatCompletionClient.load_component(settings.component())
    except ImportError as error:
        raise ModelUnusable(f"{path}: {_missing(settings.provider, error)}") from None
    except AttributeError:
        raise ModelUnusable(f"{path}: provider: there is no {settings.provider!r}") from None
    except ValidationError as error:
        problems = "; ".join(f"config.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ModelUnusable(f"{path}: {problems}") from None
    except TypeError:
        log.debug("%s cannot be loaded", settings.provider, exc_info=True)
        raise ModelUnusable(f"{path}: provider: {settings.provider!r} is no model client of AutoGen's") from None
    except Exception as error:  # a provider's library raises what it likes
        log.debug("%s cannot be loaded", settings.provider, exc_info=True)
        raise ModelUnusable(f"{path}: config: {_describe(error, secrets)}") from None
    return Client(client, secrets)


def _describe(error: BaseException, secrets: Sequence[str]) -> str:
    words = " ".join(f"{type(error).__name__}: {error}".split())
    for secret in secrets:
        words = words.replace(secret, "[redacted]")
    return words if len(words) <= _MAX_PROBLEM_CHARS else words[: _MAX_PROBLEM_CHARS - 1] + "…"


def _missing(provider: str, error: ImportError) -> str:
    module = provider.split(".")[2] if provider.startswith("autogen_ext.models.") and provider.count(".") > 2 else ""
    extra = module if module in EXTRAS else next((each for each in EXTRAS if each in provider.lower()), None)
    if extra is None:
        return f"provider: {provider!r} cannot be imported: {error}"
    return (
        f"provider: {provider!r} needs a library that is not installed: pip install 'sanctuary-bus[{extra}]' ({error})"
    )


def _secrets(config: Mapping[str, Any]) -> list[str]:
    """Return the texts of a configuration that may not be told."""
    found: list[str] = []
    for key in _SECRET_KEYS:
        value = config.get(key)
        values = value.values() if isinstance(value, Mapping) else [value]
        found += [text for text in values if isinstance(text, str) and text]
    return found


def _type_of(schema: Mapping[str, Any]) -> "type[BaseModel]":
    """Return a pydantic class that shows `schema` and reads nothing.

    AutoGen's clients take a schema as a class alone. The answer is checked elsewhere, so that what does not fit keeps its
    text, for the repair, and its token counts.
    """
    from pydantic import BaseModel

    class Shown(BaseModel):
        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
            return copy.deepcopy(dict(schema))

        @classmethod
        def model_validate_json(cls, *_: Any, **__: Any) -> "Shown":
            return cls()

    Shown.__name__ = "answer"
    return Shown
