"""A clone's rights follow the routing table a moment after it: a daemon waits for them before it serves a type that is new to it.

What the server refuses it refuses silently: a pull that came too early would be missed for seconds, and a subscription for
ever.
"""

import asyncio
from collections.abc import Iterable

from bus.errors import SanctuaryError
from bus.jetstream import api
from bus.network import Network
from bus.task import Service

WITHIN_S = 5.0
ANSWER_WITHIN_S = 0.25
AGAIN_S = 0.05


async def admitted(network: Network, services: Iterable[Service]) -> bool:
    """Return True as soon as we may ask for tasks of all `services`, and False where we may not within 5 s."""
    ledger = network.subjects.ledger
    # One of each stands for all: rights are granted together, and the consumers were made before the table was put into force.
    names = [next(iter(service.consumers)) for service in services]
    clock = asyncio.get_running_loop().time
    deadline = clock() + WITHIN_S
    while True:
        try:
            subjects = [f"CONSUMER.INFO.{ledger}.{name}" for name in names]
            await asyncio.gather(*(api(network.requester, each, timeout_s=ANSWER_WITHIN_S) for each in subjects))
        except SanctuaryError:
            if clock() > deadline:
                return False
            await asyncio.sleep(AGAIN_S)
        else:
            return True
