"""What earlier versions made and this one has no use for."""

import logging

from bus.consumers import consumer_states
from bus.errors import JetStreamError
from bus.jetstream import CONSUMER_NOT_FOUND, api
from bus.network import Network
from bus.subjects import Subjects

log = logging.getLogger(__name__)


async def remove_former_consumers(network: Network) -> None:
    """Delete the durable consumers of single workflows that nobody pulls from.

    One consumer brings the starts of all workflows now, from the first one on. An Omega of an earlier version that still runs
    keeps its own; what both then take up has one result, though both may ask for its steps.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: the server did not tell, or refused.
    """
    for state in (await consumer_states(network)).values():
        if state.num_waiting or not is_of_one_workflow(network.subjects, state.name, state.subject):
            continue
        try:
            await api(network.requester, f"CONSUMER.DELETE.{network.subjects.ledger}.{state.name}")
        except JetStreamError as error:
            if error.err_code != CONSUMER_NOT_FOUND:
                raise
        else:
            log.info("removed the consumer %s, which an earlier version made", state.name)


def is_of_one_workflow(subjects: Subjects, consumer: str, subject: str) -> bool:
    """Tell whether a consumer, given the subject that it brings, is such as earlier versions made for each workflow."""
    prefix, _, name = consumer.partition("_")
    return prefix == "workflow" and name not in ("", "*", ">") and subject == subjects.workflow(name)
