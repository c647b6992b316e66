"""Subjects and keys of the agents of one namespace. Types and keys of agents are arbitrary strings; tokens are not."""

import re
import secrets
from hashlib import blake2b
from urllib.parse import quote_from_bytes

from autogen_core import AgentId

_NAMESPACE = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_LONGEST_TOKEN = 200
"""A subject with two such tokens stays well within the server's 4096 bytes of protocol line."""


def token(text: str) -> str:
    """Return `text` as one token that subjects and keys of buckets can hold: letters, digits, `_` and `-` as they are.

    Other bytes become `=XX`. Empty text is `=`, and what would be very long ends in `==` and a digest: the way back is
    never taken, messages carry the text itself.
    """
    quoted = quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="_-").translate(_QUOTING)
    if len(quoted) > _LONGEST_TOKEN:
        return f"{quoted[:64]}=={blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=20).hexdigest()}"
    return quoted or "="


# quote() leaves these two alone whatever it is told; keys of buckets cannot hold a `~` or a `%`.
_QUOTING = str.maketrans({"%": "=", ".": "=2E", "~": "=7E"})


class Names:
    """The names of one namespace."""

    def __init__(self, namespace: str) -> None:
        """Take `namespace`, the first token of all subjects.

        Raises:
            ValueError: it is not 1 to 64 of letters, digits, `_` and `-`.
        """
        if not _NAMESPACE.match(namespace):
            raise ValueError(f"the namespace {namespace!r} is no subject token: use 1 to 64 of a-z, A-Z, 0-9, _ and -")
        self.namespace = namespace
        self.bucket = f"{namespace}_agents"
        self.stream = f"KV_{self.bucket}"
        self.keys = f"$KV.{self.bucket}."
        self.every_member = f"{self.keys}member.*"
        self.named_prefix = f"{self.keys}topic."
        self.every_named = f"{self.named_prefix}*"
        self.every_dispatch = f"{self.keys}dispatch.*"
        self.topics = f"{namespace}_topics"
        self.every_topic = f"{namespace}.topic.*"
        self.every_stored = f"{namespace}.topic.*.stored"
        self.states_bucket = f"{namespace}_agent_states"
        self.states_keys = f"$KV.{self.states_bucket}."
        self.states_stream = f"KV_{self.states_bucket}"

    def agent(self, agent: AgentId) -> str:
        """Where messages to one agent go; the worker that holds it listens there."""
        return f"{self.namespace}.agent.{token(agent.type)}.{token(agent.key)}"

    def worker(self, worker: str) -> str:
        """Where one runtime answers the others."""
        return f"{self.namespace}.worker.{worker}"

    def reply(self, inbox: str) -> str:
        """Where a runtime is answered that would otherwise take `inbox`, which is its user's own.

        Answers come late and several to one message: who may give them has the right to publish here, as the server's
        `allow_responses` is for one answer soon. Who may hear them is told by the inbox's prefix.
        """
        return f"{self.namespace}.reply.{inbox}"

    def claim(self, agent: AgentId) -> str:
        """Return the key, as a subject, that says which worker holds an agent."""
        return f"{self.keys}claim.{token(agent.type)}.{token(agent.key)}"

    def state_head(self, agent: AgentId) -> str:
        """Return the key, as a subject, of what is kept of an agent."""
        return f"{self.states_keys}head.{token(agent.type)}.{token(agent.key)}"

    def state_parts(self, agent: AgentId) -> str:
        """Return what the keys, as subjects, of the parts of an agent's large state begin with."""
        return f"{self.states_keys}part.{token(agent.type)}.{token(agent.key)}"

    def member(self, worker: str) -> str:
        """Return the key, as a subject, under which a runtime says what it takes."""
        return f"{self.keys}member.{worker}"

    def topic(self, topic_type: str) -> str:
        """Where events of a durable topic are stored, of all its sources."""
        return f"{self.namespace}.topic.{token(topic_type)}"

    def stored(self, topic_type: str) -> str:
        """Where it is said, with nothing more, that an event of a durable topic was stored."""
        return f"{self.namespace}.topic.{token(topic_type)}.stored"

    def named(self, topic_type: str) -> str:
        """Return the key, as a subject, that says that a topic type is durable."""
        return f"{self.keys}topic.{token(topic_type)}"

    def dispatch(self, agent_type: str) -> str:
        """Return the key, as a subject, of who delivers durable events to the agents of a type, and how far they have come."""
        return f"{self.keys}dispatch.{token(agent_type)}"

    def dead_letter(self, agent_type: str, sequence: int) -> str:
        """Return the key, as a subject, of a durable event that was given up for the agents of a type."""
        return f"{self.keys}dead.{token(agent_type)}.{sequence}"


def new_worker() -> str:
    """Return a name that no other runtime has: 64 random bits."""
    return secrets.token_hex(8)
