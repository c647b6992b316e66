"""The ids of tasks that other tasks ask for: made under a secret of the Omegas', so that nobody knows one before it is stored.

Events tell who asks for what, and are heard by all. Whoever could tell the id from them could store a task of his own under it,
and answer in its place.
"""

import secrets

from bus import buckets
from bus.network import Network
from clones.workflows.ids import SECRET_BYTES, secret_id
from schemas import TaskAsked

Key = tuple[str, str]
"""A task's type and id."""
ASKS = "asks"
"""Under which the bucket has the secret."""


class AskedIds:
    """Made with the one secret of a network, which the first who needs it stores. Methods raise SanctuaryError."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._secret: str | None = None
        network.on_reconnect(self._forget)

    async def child(self, parent: Key, child_type: str, key: str) -> Key:
        """Return what `parent` asks for under a key of its own."""
        return child_type, secret_id(await self._read(), "/".join((*parent, child_type, key)))

    async def child_of(self, event: TaskAsked) -> Key:
        """Return what an event tells of."""
        if event.child_id:
            return event.child_type, event.child_id
        return await self.child((event.task_type, event.task_id), event.child_type, event.child_key)

    def _forget(self) -> None:
        # A server that lost its power may have lost it, and has another one by now.
        self._secret = None

    async def _read(self) -> str:
        requester, bucket = self._network.requester, self._network.subjects.secrets
        while (secret := self._secret) is None:
            standing = await buckets.last_in(requester, bucket, ASKS)
            if standing is not None and standing.data:
                self._secret = standing.data.decode()
                continue
            made, revision = secrets.token_hex(SECRET_BYTES).encode(), 0 if standing is None else standing.sequence
            await buckets.put(requester, buckets.subject_of(bucket, ASKS), made, revision)
        return secret
