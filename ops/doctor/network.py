"""Checks of the network: can it be reached, is it made as it should be, and who is there."""

import time
from collections.abc import AsyncIterator, Iterable
from datetime import datetime

import msgspec

from bus import buckets
from bus.definitions import Definitions, GrownWorkflow
from bus.errors import (
    AuthorizationFailed,
    ConnectionFailed,
    JetStreamError,
    NoResponders,
    RequestTimeout,
    SanctuaryError,
)
from bus.identity import OMEGA
from bus.jetstream import CONSUMER_NOT_FOUND, STREAM_NOT_FOUND, api
from bus.network import Network, open_network
from bus.routes import Revision, in_force
from bus.settings import ConnectionSettings
from bus.store import read_network
from bus.topology import Limits, differences, omega_consumers, streams, task_consumers
from clones.base import BUILT_IN
from clones.conflicts import conflicts, disagreements
from clones.routing import clones_by_type, types_by_clone
from clones.tables import table_of
from clones.workflows.checking import problems
from ops.connect import Where
from ops.doctor.check import Check, note, ok, wrong
from ops.status import ask
from schemas import RoutingTable, StatusResponse

CONNECT_S = 3.0
CLOCK_S = 0.5
"""How far this machine's clock may be from the server's: deadlines and waiting times compare the two."""

_NOT_FOUND = {STREAM_NOT_FOUND, CONSUMER_NOT_FOUND}


async def check_network(where: Where) -> AsyncIterator[Check]:
    """Yield what is to be said about the network; ends early where there is none."""
    try:
        settings = where.settings()
        named = where.named() is not None or read_network(where.store) is not None
    except SanctuaryError as error:
        yield wrong("server", error.message, "Mend what names the server")
        return
    try:
        async with open_network(settings, where.subjects, name="sanctuary doctor", wait_s=CONNECT_S) as network:
            async for check in _inside(network, settings):
                yield check
    except SanctuaryError as error:
        if not isinstance(error, ConnectionFailed):
            yield wrong("server", error.message, "Mend what names the server")
        elif named:
            yield wrong("server", error.message, "Start that server, or name another one")
        elif isinstance(error, AuthorizationFailed):
            yield wrong("server", error.message, "Name it and credentials that it knows, or a store with --store")
        else:
            yield note("server", "none is named and none runs here", "sanctuary up starts one")


async def _inside(network: Network, settings: ConnectionSettings) -> AsyncIterator[Check]:
    begun = time.monotonic()
    await network.client.flush()
    trip_ms = (time.monotonic() - begun) * 1000
    version = network.client.connected_server_version
    number = f"{version.major}.{version.minor}.{version.patch}"
    yield ok("server", f"{settings.where}, version {number}, {settings.identity}, {trip_ms:.1f} ms there and back")
    try:
        info = await api(network.requester, "INFO")
        yield ok("JetStream", f"{info['streams']} streams, {info['storage'] / 1024**2:.1f} MiB stored")
    except (NoResponders, RequestTimeout, JetStreamError) as error:
        advice = "Enable JetStream on the server; as an anonymous user of `sanctuary up` only tasks and results are open to you"
        yield wrong("JetStream", f"does not answer: {error}", advice)
    else:
        yield await streams_check(network)
        yield await _clock(network)
        yield await buckets_check(network)
        yield await workflows_check(network)
    answers = await ask(network)
    yield _clones({answer.clone for answer in answers}, await table_of(network))
    yield routes_check(await in_force(network), answers)


def _clones(there: set[str], table: RoutingTable) -> Check:
    missing = [name for name in (OMEGA, *types_by_clone(table)) if name not in there]
    if not missing:
        return ok("clones", f"{', '.join(sorted(there))} answer")
    commands = ", ".join(f"sanctuary {_start(name)}" for name in missing)
    found = f"nobody answers as {', '.join(missing)}"
    return wrong("clones", found, f"sanctuary up starts Omega and the built-in clones; one alone: {commands}")


def _start(name: str) -> str:
    """Return the command that starts a daemon."""
    if name == OMEGA:
        return name
    return f"clone {name if name in BUILT_IN else f'MODULE:CLASS ({name})'}"


def routes_check(revision: Revision | None, answers: Iterable[StatusResponse]) -> Check:
    """Compare the routing table with the instances that answer."""
    if revision is None:
        return note("routes", "there is no routing table yet, or it may not be read", "the first Omega makes it")
    found = [str(conflict) for conflict in conflicts(revision.routes.table)]
    seen = disagreements(revision, answers)
    found += [f"{finding.subject}: {finding.message}" for finding in seen if finding.verdict == "wrong"]
    said = f"revision {revision.number}, {len(revision.routes.table.routes)} task types"
    if found:
        return wrong(
            "routes", f"{said}; {'; '.join(found)}", "sanctuary routes check tells more; routes set changes it"
        )
    return ok("routes", said)


async def streams_check(network: Network) -> Check:
    """Compare the network's streams and consumers with what they should be."""
    subjects = network.subjects
    said: list[str] = []
    missing: list[str] = []
    for wanted in streams(subjects, Limits()):
        name = wanted["name"]
        found = await _config(network, f"STREAM.INFO.{name}")
        if found is None:
            missing.append(name)
            continue
        # What an installation may choose for itself is not compared.
        chosen = {
            field: found.get(field, value) for field, value in wanted.items() if field in ("max_bytes", "num_replicas")
        }
        said += [f"{name}.{difference}" for difference in differences({**wanted, **chosen}, found)]
    if subjects.ledger not in missing:
        needed = [
            *omega_consumers(subjects),
            *(
                consumer
                for task_type, clones in clones_by_type(await table_of(network)).items()
                for consumer in task_consumers(subjects, task_type, clones)
            ),
        ]
        for wanted in needed:
            name = wanted["name"]
            found = await _config(network, f"CONSUMER.INFO.{subjects.ledger}.{name}")
            if found is None:
                missing.append(name)
            else:
                said += [f"{name}.{difference}" for difference in differences(wanted, found)]
    if said:
        advice = "Change them with the nats command line, or give this network a realm of its own (--realm)"
        return wrong("streams", "; ".join(said), advice)
    if missing:
        return wrong("streams", f"missing: {', '.join(missing)}", "sanctuary omega makes them")
    return ok("streams", f"{subjects.results} and {subjects.ledger} with all their consumers are as they should be")


async def buckets_check(network: Network) -> Check:
    """Tell which of the network's buckets are missing."""
    names = network.subjects
    wanted = (names.routes, names.workflows, names.sleepers, names.schedules, names.secrets, names.cache)
    missing = [name for name in wanted if await _config(network, f"STREAM.INFO.{buckets.stream_of(name)}") is None]
    if missing:
        return wrong("buckets", f"missing: {', '.join(missing)}", "sanctuary omega makes them")
    return ok("buckets", f"{', '.join(wanted)} are there")


async def workflows_check(network: Network) -> Check:
    """Look whether all that the newest versions of the stored workflows ask for is there."""
    stored = await Definitions(network).all_newest()
    if not stored:
        return note("workflows", "no workflow is stored yet", "the first Omega stores those that come with it")
    table = await table_of(network)
    types = frozenset({*table.routes, *table.aliases})
    definitions = {name: each.definition for name, each in stored.items()}
    found = [
        f"{name}: {problem}"
        for name, definition in sorted(definitions.items())
        for problem in problems(definition, task_types=types, workflows=definitions)
    ]
    grown = [each.beyond() for each in stored.values() if isinstance(each, GrownWorkflow)]
    if grown:
        advice = "Bring Omega and the command line here to that version: until then its runs wait for an Omega that is"
        return wrong("workflows", "; ".join(grown), advice)
    if found:
        advice = (
            "Their runs fail at these steps. Give the task types to a clone (sanctuary routes set), "
            "or store another version (sanctuary workflow put)"
        )
        return wrong("workflows", "; ".join(found), advice)
    return ok("workflows", f"{', '.join(sorted(stored))}: every task type has a route")


async def _config(network: Network, subject: str) -> dict[str, object] | None:
    try:
        info = await api(network.requester, subject)
    except JetStreamError as error:
        if error.err_code in _NOT_FOUND:
            return None
        raise
    config: dict[str, object] = info["config"]
    return config


async def _clock(network: Network) -> Check:
    """Compare the server's clock with ours, by the time that it writes into a stream's description."""
    try:
        begun_s = time.time()
        info = await api(network.requester, f"STREAM.INFO.{network.subjects.ledger}")
        ended_s = time.time()
        server_s = msgspec.convert(info["ts"], datetime).timestamp()
    except (JetStreamError, KeyError):
        return note("clock", "cannot be compared with the server's: there is no ledger")
    # Within the request's own time nothing can be told.
    off_s = server_s - ended_s if server_s > ended_s else min(0.0, server_s - begun_s)
    if abs(off_s) > CLOCK_S:
        found = f"the server's is {abs(off_s):.1f} s {'ahead' if off_s > 0 else 'behind'}"
        return wrong("clock", found, "Set both by NTP: deadlines and waiting times compare the two")
    return ok("clock", f"within {CLOCK_S:g} s of the server's")
