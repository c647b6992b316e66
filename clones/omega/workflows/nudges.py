"""Being told, by core request on `<realm>.nudge.<id>`, that a run's history has grown.

An answer says that somebody drives the run and will look. Who gets none stores a wake-up.
"""

import asyncio
import logging

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from bus.errors import SanctuaryError
from bus.network import Network

log = logging.getLogger(__name__)


class Nudges:
    """What one driver hears."""

    def __init__(self, network: Network, workflow_id: str, wake: asyncio.Event) -> None:
        """Take what is set when there is news."""
        self._network = network
        self._subject = network.subjects.nudge(workflow_id)
        self._wake = wake
        self._subscription: Subscription | None = None
        self.told = False
        """Whether the history may have grown."""

    async def listen(self) -> None:
        """Begin to answer."""
        self._subscription = await self._network.client.listen(self._subject, self._on_nudge)

    async def stop(self) -> None:
        """Answer no more, also not what is on its way."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None and not self._network.client.is_closed:
            await subscription.unsubscribe()

    def tell(self) -> None:
        """Say from within that the history has grown."""
        self.told = True
        self._wake.set()

    def take(self) -> bool:
        """Return whether the history may have grown since this was asked last."""
        told, self.told = self.told, False
        return told

    def _on_nudge(self, message: Msg) -> None:
        if self._subscription is None:
            return
        self.tell()
        try:
            self._network.client.post(message.reply, b"")
        except (SanctuaryError, NatsError) as error:
            log.debug("a nudge was not answered: %s", error)
