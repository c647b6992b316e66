"""The network's object store: reports and uploads that are too large for a message."""

import asyncio
import base64
import hashlib
import logging
from pathlib import Path

import nats.js.errors
from nats.errors import Error as NatsError
from nats.js.api import ObjectStoreConfig, StorageType
from nats.js.object_store import ObjectStore

from bus.errors import ArtifactMissing, SanctuaryError
from bus.ledger import stream_entries
from bus.network import Network
from schemas import ArtifactRef

TRANSFER_TIMEOUT_S = 300.0
"""For one file."""
INFO_TIMEOUT_S = 10.0
MAX_AGE_S = 30 * 24 * 3600.0
"""As long as results."""

log = logging.getLogger(__name__)


async def ensure_store(network: Network) -> None:
    """Make the bucket where it is missing."""
    config = ObjectStoreConfig(bucket=network.subjects.artifacts, ttl=MAX_AGE_S, storage=StorageType.FILE)
    js = network.client.jetstream()
    try:
        await js.object_store(network.subjects.artifacts)
    except nats.js.errors.NotFoundError:
        await js.create_object_store(network.subjects.artifacts, config=config)


class Artifacts:
    """Puts files into the bucket and gets them out."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def put(self, path: Path, *, name: str, filename: str, media_type: str) -> ArtifactRef:
        """Store the file `path` as the object `name` and return its claim check.

        Raises:
            SanctuaryError: it could not be stored.
        """
        try:
            async with asyncio.timeout(TRANSFER_TIMEOUT_S):
                bucket = await self._bucket()
                with path.open("rb") as file:
                    info = await bucket.put(name, file)
        except (NatsError, TimeoutError, OSError) as error:
            raise SanctuaryError(f"{filename} could not be put into the object store: {_words(error)}") from None
        return ArtifactRef(
            name=name,
            filename=filename,
            media_type=media_type,
            size_bytes=info.size or 0,
            digest=info.digest or "",
        )

    async def get(self, name: str, destination: Path) -> None:
        """Write the object `name` to `destination`, checked against its digest.

        Raises:
            ArtifactMissing: there is none of that name.
            SanctuaryError: it could not be fetched whole.
        """
        try:
            async with asyncio.timeout(TRANSFER_TIMEOUT_S):
                info = await (await self._bucket()).get_info(name)
                digest = await self._fetch(info.nuid or "", destination)
        except nats.js.errors.NotFoundError:
            raise ArtifactMissing(f"the object store has no {name!r}") from None
        except (NatsError, TimeoutError, OSError) as error:
            raise SanctuaryError(f"{name!r} could not be fetched from the object store: {_words(error)}") from None
        if digest != info.digest:
            raise SanctuaryError(
                f"{name!r} did not come whole from the object store: {digest} instead of {info.digest}"
            )

    async def digest(self, name: str) -> str | None:
        """Return the digest of the object `name`, as claim checks have it, or None where there is none of that name.

        Raises:
            SanctuaryError: the bucket does not tell.
        """
        try:
            async with asyncio.timeout(INFO_TIMEOUT_S):
                return (await (await self._bucket()).get_info(name)).digest or ""
        except nats.js.errors.NotFoundError:
            return None
        except (NatsError, TimeoutError) as error:
            raise SanctuaryError(f"the object store does not tell of {name!r}: {_words(error)}") from None

    async def holds(self, ref: ArtifactRef) -> bool:
        """Tell whether the bucket still has what a claim check was given for.

        Raises:
            SanctuaryError: it does not tell.
        """
        return await self.digest(ref.name) == ref.digest

    async def _fetch(self, nuid: str, destination: Path) -> str:
        """Write an object's chunks (ADR-20) to `destination` and return their digest.

        By direct gets: nats-py's own `get` leaves a subscription and a consumer behind, for good, where it is cancelled.
        """
        bucket = self._network.subjects.artifacts
        digest = hashlib.sha256()
        with destination.open("wb") as file:
            async for chunk in stream_entries(self._network.requester, f"OBJ_{bucket}", f"$O.{bucket}.C.{nuid}"):
                digest.update(chunk.data)
                await asyncio.to_thread(file.write, chunk.data)
        return f"SHA-256={base64.urlsafe_b64encode(digest.digest()).decode()}"

    async def _bucket(self) -> ObjectStore:
        return await self._network.client.jetstream().object_store(self._network.subjects.artifacts)


def _words(error: BaseException) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else str(error)
