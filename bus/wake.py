"""Speaking for a message that no worker holds: one that waits out a delay (a retry's back-off, the hour of a parked task).

The server puts a message back into its consumer's queue when it is handed back (`-NAK`), and takes it out when it is
acknowledged (`+ACK`), whoever says so: it looks at the message's ledger sequence, which must be unacknowledged, and for
`-NAK` at the number of the delivery, which must lie above the consumer's acknowledgement floor and not beyond its last
delivery; it does not compare the two (`processNak` and `processAckMsg` in nats-server's server/consumer.go).
"""

from bus.consumers import consumer_state
from bus.delivery import ACK
from bus.network import Network

_TIMEOUT_S = 5.0


async def wake(network: Network, consumer: str, sequence: int) -> None:
    """Have the ledger's entry `sequence` delivered again now where `consumer` has handed it out and it is not acknowledged.

    A worker that holds it keeps its lease, but another one is given the same task: so wake what is delayed only. Nothing
    happens to an entry that is acknowledged, or that nobody took yet.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: whether it is delivered again is unknown; ask once more.
    """
    await _answer(network, consumer, sequence, b"-NAK")


async def dismiss(network: Network, consumer: str, sequence: int) -> None:
    """Take the ledger's entry `sequence`, which has its result, out of the queue of `consumer` where that has handed it out.

    A worker that runs it hears of the result by itself. One that nobody took yet stays until somebody does; raises as `wake`.
    """
    await _answer(network, consumer, sequence, ACK)


async def _answer(network: Network, consumer: str, sequence: int, answer: bytes) -> None:
    state = await consumer_state(network, consumer)
    if state is None or not state.num_ack_pending or state.delivered.stream_seq < sequence:
        return
    # <delivered>.<ledger sequence>.<number of the delivery>.<time>.<pending>
    subject = f"$JS.ACK.{network.subjects.ledger}.{consumer}.1.{sequence}.{state.delivered.consumer_seq}.0.0"
    await network.requester.request(subject, answer, timeout_s=_TIMEOUT_S)
