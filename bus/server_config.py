"""The embedded server's configuration: who may do what. Pure; the server takes the JSON as it is.

Two accounts. Whoever names no credentials lands in the open one and sees the network only through imports: tasks, workflows,
calls and status as services, stored results by direct get, results and events as streams. A reply subject is rewritten on
the way through a service import, so a client cannot have an acknowledgement or a stored message written where it pleases.
The other account belongs to the network: its operator and Omega have all of it but for the notary's checkpoints, a clone what
its task types need, applications of AutoGen what agents need, and the notary what it reads and signs (`bus.server_rights`).

Reference: https://docs.nats.io/reference/config/accounts and the JetStream wire API.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from bus.identity import OMEGA
from bus.server_rights import agents_permissions, call_command, clone_permissions, notary_permissions
from bus.subjects import Subjects

Durability = Literal["100ms", "always"]
"""When the server calls fsync: every 100 ms (the process may die and loses nothing, a power cut takes up to 100 ms), or
before each acknowledgement (nothing is lost, at about a sixth of the throughput)."""

OPERATOR = "operator"
AGENTS = "agents"
"""As whom applications of AutoGen connect."""
NOTARY = "notary"
"""As whom the notary connects, which signs what the ledger holds."""
FIXED_USERS = (OPERATOR, OMEGA, AGENTS, NOTARY)
"""The users that every network has; no clone is named so. The first two have the whole account, but for the notary's checkpoints."""

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
"""Well above what a task may hold, so that a task that is too large reaches the network and is answered in words."""

_LOG_BYTES = 8 * 1024 * 1024
_LOG_FILES = 3
_RESPONSE_THRESHOLD = "24h"
"""How long a caller's reply subject is kept alive across the accounts; the server's default of 2 minutes is less than a task takes."""


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration is made from."""

    store: Path
    host: str
    port: int
    durability: Durability
    max_file_bytes: int
    realm: str
    public_keys: Mapping[str, str]
    """User name to public nkey; the fixed users and every clone."""
    clones: Mapping[str, Sequence[str]]
    """Clone name to the task types that it may take and settle."""
    log_file: Path
    ports_dir: Path
    anonymous_key: str
    """The open account's user is a public nkey too; nobody has to hold its seed."""


def render(config: ServerConfig) -> str:
    """Return the configuration file's text; the server's format takes JSON."""
    subjects = Subjects(config.realm)
    account = config.realm.upper().replace("-", "_")
    document: dict[str, Any] = {
        "server_name": f"{config.realm}-embedded",
        "host": config.host,
        "port": config.port,
        "http": "127.0.0.1:-1",
        "ports_file_dir": str(config.ports_dir),
        "log_file": str(config.log_file),
        "logfile_size_limit": _LOG_BYTES,
        "logfile_max_num": _LOG_FILES,
        "max_payload": MAX_PAYLOAD_BYTES,
        # A client that is gone without a word (a frozen process, a cut cable) is noticed within 20 s.
        "ping_interval": "10s",
        "ping_max": 2,
        "jetstream": {
            "store_dir": str(config.store),
            "max_file_store": config.max_file_bytes,
            "sync_interval": config.durability,
        },
        "accounts": {
            account: {
                "jetstream": "enabled",
                "users": [_user(name, key, config, subjects) for name, key in config.public_keys.items()],
                "exports": list(_exports(subjects)),
            },
            f"{account}_OPEN": {
                "users": [{"nkey": config.anonymous_key, "permissions": _open_permissions(subjects)}],
                "imports": [
                    {kind: {"account": account, "subject": export[kind]}}
                    for export in _exports(subjects)
                    for kind in ("service", "stream")
                    if kind in export
                ],
            },
        },
        "no_auth_user": config.anonymous_key,
    }
    return json.dumps(document, indent=2) + "\n"


def _user(name: str, public_key: str, config: ServerConfig, subjects: Subjects) -> dict[str, Any]:
    if name == AGENTS:
        clones = (OMEGA, *config.clones)
        submit = [subject for subject, _ in _open_services(subjects)]
        return {"nkey": public_key, "permissions": agents_permissions(name, clones, submit, subjects)}
    if name == NOTARY:
        return {"nkey": public_key, "permissions": notary_permissions(name, subjects)}
    if name in FIXED_USERS:
        return {"nkey": public_key, "permissions": {"publish": {"deny": [subjects.every("checkpoint")]}}}
    return {"nkey": public_key, "permissions": clone_permissions(name, config.clones[name], subjects)}


def _open_services(subjects: Subjects) -> list[tuple[str, bool]]:
    """Return what the open account may publish, and whether one request may have many answers."""
    return [
        (subjects.every("task"), False),
        (subjects.every("workflow"), False),
        (subjects.every("call"), False),
        (subjects.status(), True),
        (subjects.every("status"), True),
        ("$SRV.>", True),
        *((f"$JS.API.DIRECT.GET.{subjects.results}{rest}", True) for rest in ("", ".>")),
        # The routing table: which types and aliases there are.
        (f"$JS.API.DIRECT.GET.KV_{subjects.routes}.>", True),
    ]


def _open_streams(subjects: Subjects) -> list[str]:
    # `_INBOX.>` carries what workers send to a task's `reply_to`. The network's own users have inboxes of other names.
    return [subjects.every("result"), subjects.every("event"), "_INBOX.>"]


def _exports(subjects: Subjects) -> Iterator[dict[str, Any]]:
    for subject, many_answers in _open_services(subjects):
        yield {
            "service": subject,
            "response_type": "stream" if many_answers else "singleton",
            "response_threshold": _RESPONSE_THRESHOLD,
        }
    for subject in _open_streams(subjects):
        yield {"stream": subject}


def _open_permissions(subjects: Subjects) -> dict[str, Any]:
    services = [subject for subject, _ in _open_services(subjects)]
    return {
        # Commands are the operator's. `call.command` lies within what is imported, so it is denied by name.
        "publish": {"allow": services, "deny": call_command(subjects)},
        # Everything but other clients' requests: whoever could read those could answer first, in the network's place.
        "subscribe": {"deny": services},
    }
