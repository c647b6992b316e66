"""AutoGen's model clients: one loaded from a configuration, and asked for JSON as its provider takes it.

AutoGen, and a provider's library, are imported here alone and when a model is loaded.
"""

import asyncio
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from clones.models.settings import ModelSettings, ModelUnusable

if TYPE_CHECKING:
    from autogen_core.models import ChatCompletionClient, LLMMessage

EXTRAS = ("openai", "anthropic", "ollama")
"""Sanctuary's extras, each named as the module below `autogen_ext.models` that needs it."""

_CUT_OFF = "length"
_CLOSE_WITHIN_S = 5.0
_MAX_PROBLEM_CHARS = 500
_REASONING = ("o1", "o3", "o4", "gpt-5")
"""Families of OpenAI's models that refuse `max_tokens` and want `max_completion_tokens`."""
_MIN_SECRET_CHARS = 8
"""A shorter text, such as a server without keys is given for one, stands in too many other words."""
_SECRET = re.compile(r"key|token|secret|password|credential|auth|header|query|cookie", re.IGNORECASE)
"""What stands below such a key of a configuration, or in such a variable of the environment, is told to nobody."""
_ENDPOINTS = ("base_url", "host", "azure_endpoint", "endpoint")
"""Keys of AutoGen's clients that name a server."""
_ADDRESS = re.compile(r"(?P<scheme>https?)://(?:[^/?#\s]*@)?(?P<host>[^/?#@\s]+)")
_USER_INFO = re.compile(r"//([^/@\s]+)@")

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

    def __init__(
        self, client: "ChatCompletionClient", secrets: Sequence[str] = (), *, endpoint: str = "", place: str = ""
    ) -> None:
        """Take AutoGen's client, texts that may stand in no message, its server as of `endpoint_of`, and where to look for it."""
        self.endpoint = endpoint
        self._client = client
        self._secrets = tuple(secrets)
        self._place = place
        # Where the provider's library is asked for, as custom clients derive from these.
        modules = [kind.__module__.split(".") for kind in type(client).__mro__]
        self._provider = next((module[2] for module in modules if module[:2] == ["autogen_ext", "models"]), "")

    async def create(self, messages: "Sequence[LLMMessage]", schema: Mapping[str, Any], max_tokens: int) -> Reply:
        """Ask once, for JSON of this schema where the model can be held to it; raises whatever the client does."""
        info = self._client.model_info
        arguments = _arguments(self._provider, str(info.get("family", "")), max_tokens)
        json_output = None
        if info.get("structured_output") and self._provider in _SCHEMAS:
            arguments |= _SCHEMAS[self._provider](schema)
        elif self._provider != "anthropic":  # AutoGen's client for it takes the wish and ignores it
            json_output = bool(info.get("json_output")) or None
        result = await self._client.create(messages, json_output=json_output, extra_create_args=arguments)
        return Reply(
            text=result.content if isinstance(result.content, str) else "",
            cut_off=result.finish_reason == _CUT_OFF,
            # A server may leave them out, or count wrongly.
            prompt_tokens=max(0, int(result.usage.prompt_tokens or 0)),
            answer_tokens=max(0, int(result.usage.completion_tokens or 0)),
        )

    def describe(self, error: BaseException) -> str:
        """Return in words what a request raised and where, without any secret of the configuration or the environment."""
        words = described(error, self._secrets)
        return f"{words} ({self._place})" if self._place else words

    async def close(self) -> None:
        """Close the client's connections; one that does not let itself be closed keeps nobody from ending."""
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._client.close()
        except Exception as error:  # noqa: BLE001  a provider's library raises what it likes
            log.warning("a model's client was not closed: %s", self.describe(error))


def _arguments(provider: str, family: str, max_tokens: int) -> dict[str, Any]:
    """Return what tells the provider where to stop; of a client that is not AutoGen's own, nothing is known."""
    match provider:
        case "openai":
            return {"max_completion_tokens" if family.startswith(_REASONING) else "max_tokens": max_tokens}
        case "anthropic":
            return {"max_tokens": max_tokens}
        case "ollama":
            return {"num_predict": max_tokens}
        case _:
            return {}


# The plain arguments of the providers, and not `json_output` with a class: with that, an answer which does not fit is an
# exception without its text, which the repair needs, and without its tokens.
_SCHEMAS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "openai": lambda schema: {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    },
    "ollama": lambda schema: {"format": schema},
}


def load_client(settings: ModelSettings, path: Path) -> Client:
    """Return the client that a configuration names; `path` is where it was read, for messages. Blocks: it imports libraries.

    Raises:
        ModelUnusable: a library is missing, or the client refuses its configuration.
    """
    from autogen_core.models import ChatCompletionClient
    from pydantic import ValidationError

    # Said of every model whose provider has newer ones of the same name.
    warnings.filterwarnings("ignore", message="Resolved model mismatch", category=UserWarning)
    secrets = secrets_of(settings.config, os.environ)
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
        raise ModelUnusable(f"{path}: provider: {settings.provider!r} is no model client of AutoGen's") from None
    except Exception as error:  # noqa: BLE001  a provider's library raises what it likes
        if str(error) == "Invalid":  # AutoGen's whole message on a provider that is neither known to it nor has a dot
            said = f"{settings.provider!r} is no class's full name, such as autogen_ext.models.openai.OpenAIChatCompletionClient"
            raise ModelUnusable(f"{path}: provider: {said}") from None
        raise ModelUnusable(f"{path}: config: {described(error, secrets)}") from None
    endpoint = endpoint_of(settings.config)
    return Client(client, secrets, endpoint=endpoint, place=f"at {endpoint}" if endpoint else f"configured in {path}")


def endpoint_of(config: Mapping[str, Any]) -> str:
    """Return the server that a configuration names as `http://host:port`, or nothing; user, path and query may hold keys."""
    for name in _ENDPOINTS:
        found = _ADDRESS.match(text) if isinstance(text := config.get(name), str) else None
        if found is not None:
            return f"{found['scheme']}://{found['host']}"
    return ""


def described(error: BaseException, secrets: Sequence[str]) -> str:
    """Return in words what was raised, cut to a bound, without any of the secrets."""
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


def secrets_of(*configurations: Mapping[str, Any]) -> list[str]:
    """Return the texts that may not be told, the longest first, as one may be a part of another."""
    found = {word for each in configurations for text in _texts(each, secret=False) for word in (text, *text.split())}
    return sorted((word for word in found if len(word) >= _MIN_SECRET_CHARS), key=len, reverse=True)


def _texts(value: Any, *, secret: bool) -> Iterator[str]:
    """Yield the texts below keys that sound secret, and what stands before the host in addresses."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, secret=secret or _SECRET.search(str(key)) is not None)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, secret=secret)
    elif isinstance(value, str):
        yield from (value,) if secret else _USER_INFO.findall(value)
