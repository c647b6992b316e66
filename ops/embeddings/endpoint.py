"""A model that embeds texts, behind OpenAI's API (`POST /v1/embeddings`): OpenAI's own, Ollama, llama.cpp, vLLM and others."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from clones.models.client import described, endpoint_of, secrets_of
from ops.embeddings.errors import EmbeddingsUnusable
from ops.embeddings.vectors import Vector, digest, unit

TIMEOUT_S = 600.0
"""For one request: a model on this machine's CPU may take seconds for each text."""
RETRIES = 2
_ADVICE = (
    "Name a model that embeds texts (--embeddings), OPENAI_BASE_URL and OPENAI_API_KEY of who serves it, "
    "or ask without --embeddings."
)


class Endpoint:
    """A model and who serves it, as `OPENAI_BASE_URL` and `OPENAI_API_KEY` name them; use as a context manager."""

    def __init__(self, model: str) -> None:
        """Take the model's name, as its server knows it. Nothing is sent yet.

        Raises:
            EmbeddingsUnusable: the extra is not installed, or a variable is missing or wrong.
        """
        try:
            from openai import AsyncOpenAI
        except ImportError as error:
            raise EmbeddingsUnusable(
                f"embeddings need a library that is not installed: pip install 'sanctuary-bus[embeddings]' ({error})"
            ) from None
        self._secrets = secrets_of(os.environ)
        self._model = model
        try:
            self._client = AsyncOpenAI(timeout=TIMEOUT_S, max_retries=RETRIES)
        except Exception as error:  # noqa: BLE001  the library raises what it likes of what the environment says
            raise EmbeddingsUnusable(f"{described(error, self._secrets).rstrip('.')}. {_ADVICE}") from None
        url = str(self._client.base_url)
        self.name = f"{model} at {endpoint_of({'base_url': url}) or 'OPENAI_BASE_URL'}"
        """For people; of the address, whose path may hold keys, no more than the server."""
        self.key = digest(f"{model} {url}").hex()
        """What tells its vectors from those of others."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of the texts, in their order; one request.

        Raises:
            EmbeddingsUnusable: the server cannot be reached, refuses, or answers what is no vector for each text.
        """
        try:
            answer = await self._client.embeddings.create(
                model=self._model,
                input=list(texts),
                encoding_format="float",  # not all servers know the library's own default, base64
            )
            made = [unit(each.embedding) for each in sorted(answer.data, key=lambda each: each.index)]
        except Exception as error:  # noqa: BLE001  the library raises what it likes, and passes on what servers say
            said = described(error, self._secrets).rstrip(".")
            raise EmbeddingsUnusable(f"the model {self.name}: {said}. {_ADVICE}") from None
        if len(made) != len(texts) or len({vector.size for vector in made}) != 1:
            raise EmbeddingsUnusable(
                f"the model {self.name} answers {len(texts)} texts with {len(made)} vectors "
                f"of {sorted({vector.size for vector in made})} numbers. {_ADVICE}"
            )
        return made
