"""What the users of the embedded server may publish and subscribe. Pure."""

from collections.abc import Sequence
from typing import Any

from bus.subjects import PRIORITIES, Subjects


def inbox_prefix(user: str) -> str:
    """Return a user's own inbox prefix. Others in the account may not subscribe there, and it is not imported anywhere."""
    return f"_INBOX_{user}"


def clone_permissions(name: str, task_types: Sequence[str], subjects: Subjects) -> dict[str, Any]:
    """Return what the clone `name` may publish and subscribe: its own types' tasks, results and events, and nobody else's.

    `task_types` are those that it serves as their primary or as a fallback. Commands and the routing table are Omega's to
    carry out and the operator's to ask for; of commands a clone hears by what comes of them.

    This keeps a clone's mistakes to itself, and a stolen key from the rest of the server. It does not hold against clones
    that are hostile: permissions say nothing of reply subjects, and a direct get answered to another type's settle subject
    stores what was got. Clones that nobody trusts need accounts of their own.
    """
    publish = [
        subjects.escalation("*", name),
        subjects.heartbeat(name, "*"),
        # Omega looks who may ask whom.
        subjects.ask("*"),
        "_INBOX.>",
        *(f"$JS.API.STREAM.INFO.{stream}" for stream in (subjects.ledger, subjects.results)),
        *(
            f"$JS.API.DIRECT.GET.{stream}{rest}"
            for stream in (subjects.ledger, subjects.results)
            for rest in ("", ".>")
        ),
    ]
    for task_type in task_types:
        # Which task has done the same work is kept by type.
        publish.append(f"$KV.{subjects.cache}.{task_type}.*")
        publish += [subjects.settle(task_type, "*"), subjects.event(task_type, "*"), subjects.presence(task_type)]
        # What agents ask of this clone is stored as tasks.
        publish.append(subjects.task(task_type))
        names = [subjects.consumer(task_type, priority) for priority in (None, *PRIORITIES)]
        for consumer_name in (*names, subjects.handover_consumer(task_type, name)):
            consumer = f"{subjects.ledger}.{consumer_name}"
            publish += [
                f"$JS.API.CONSUMER.MSG.NEXT.{consumer}",
                f"$JS.API.CONSUMER.INFO.{consumer}",
                f"$JS.ACK.{consumer}.>",
            ]
    artifacts = f"OBJ_{subjects.artifacts}"
    # Storing an object under a name that is in use ends with a purge of the old one's chunks.
    publish += [*_bucket_reader(artifacts), f"$O.{subjects.artifacts}.>", f"$JS.API.STREAM.PURGE.{artifacts}"]
    publish += [f"$JS.API.STREAM.INFO.KV_{subjects.routes}"]
    for bucket in (subjects.routes, subjects.cache):
        publish += [f"$JS.API.DIRECT.GET.KV_{bucket}", f"$JS.API.DIRECT.GET.KV_{bucket}.>"]
    # Looking a stream up by its subjects is how clients find a bucket; the names are no secret.
    publish.append("$JS.API.STREAM.NAMES")
    publish += _agents_publish(subjects)
    return {
        "publish": {"allow": publish},
        "subscribe": {
            "allow": [
                f"{inbox_prefix(name)}.>",
                *_agents_subscribe(inbox_prefix(name), subjects),
                subjects.status(),
                subjects.status(name),
                f"{subjects.status(name)}.>",
                *(subjects.presence(task_type) for task_type in task_types),
                # A task that somebody else has ended is stopped here.
                *(subjects.result(task_type, "*") for task_type in task_types),
            ]
        },
        # Answers to status requests and to fallbacks that ask who is present, wherever they came from.
        "allow_responses": {"max": 1, "expires": "1m"},
    }


def agents_permissions(name: str, clones: Sequence[str], services: Sequence[str], subjects: Subjects) -> dict[str, Any]:
    """Return what applications of AutoGen may: be agents and call others, clones among them, submit tasks, and see what comes of them.

    `services` are what anybody may publish. They cannot be one of the `clones`, settle a task or give commands. An application
    that sets no inbox prefix has the one of everybody, and its agents are answered at subjects of this user all the same.
    This holds against mistakes, as with clones, and not against whoever is hostile.
    """
    inboxes = (inbox_prefix(name), "_INBOX")
    return {
        "publish": {
            "allow": [*services, *_bucket_reader(f"OBJ_{subjects.artifacts}"), *_agents_publish(subjects)],
            "deny": [
                *call_command(subjects),
                *(f"$KV.{subjects.agents}.claim.{clone}.>" for clone in clones),
            ],
        },
        "subscribe": {
            "allow": [
                *(f"{prefix}.>" for prefix in inboxes),
                *(subject for prefix in inboxes for subject in _agents_subscribe(prefix, subjects)),
                subjects.every("result"),
                subjects.every("event"),
            ],
            "deny": [f"{subjects.realm}.agent.{clone}.>" for clone in clones],
        },
    }


def notary_permissions(name: str, subjects: Subjects) -> dict[str, Any]:
    """Return what the notary may: read the ledger, store checkpoints, which nobody else may, and escalate.

    It reads through short-lived consumers. Permissions cannot tell those from others of the ledger by their names.
    """
    ledger = subjects.ledger
    return {
        "publish": {
            "allow": [
                subjects.every("checkpoint"),
                subjects.escalation("*", name),
                *(f"$JS.API.{action}.{ledger}" for action in ("STREAM.INFO", "STREAM.MSG.GET")),
                f"$JS.API.DIRECT.GET.{ledger}.{subjects.every('checkpoint')}",
                *(f"$JS.API.CONSUMER.{action}.{ledger}.*" for action in ("CREATE", "MSG.NEXT", "DELETE")),
            ]
        },
        "subscribe": {"allow": [f"{inbox_prefix(name)}.>"]},
    }


def call_command(subjects: Subjects) -> list[str]:
    """Return where commands are given by call; this lies within what anybody may publish, and is to be denied by name."""
    return [subjects.call("command"), f"{subjects.call('command')}.>"]


def _agents_publish(subjects: Subjects) -> list[str]:
    """Return what a runtime of agents publishes: to others, and what is stored of them (`bus.agents`)."""
    buckets = [f"KV_{bucket}" for bucket in (subjects.agents, subjects.agent_states)]
    streams = (*buckets, subjects.topics)
    return [
        *(subjects.every(family) for family in ("agent", "worker", "reply", "topic")),
        *(f"$KV.{bucket}.>" for bucket in (subjects.agents, subjects.agent_states)),
        *(f"$JS.API.STREAM.{action}.{stream}" for action in ("CREATE", "PURGE") for stream in streams),
        *(f"$JS.API.DIRECT.GET.{stream}{rest}" for stream in streams for rest in ("", ".>")),
    ]


def _agents_subscribe(inbox: str, subjects: Subjects) -> list[str]:
    """Return what a runtime of agents hears; its answers come below the inbox prefix of its user."""
    heard = [subjects.every(family) for family in ("agent", "worker", "topic")]
    return [*heard, f"{subjects.realm}.reply.{inbox}.>"]


def _bucket_reader(stream: str) -> list[str]:
    """Return what reading and watching a bucket takes: direct gets, and a short-lived ordered consumer."""
    return [
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.DELETE.{stream}.*",
        f"$JS.FC.{stream}.>",
    ]
