"""Checks of the network: can it be reached, is it made as it should be, and who is there."""

import time
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from bus.errors import JetStreamError, NoResponders, RequestTimeout, SanctuaryError
from bus.jetstream import api
from bus.network import Network, open_network
from bus.settings import ConnectionSettings
from bus.store import read_network
from bus.topology import Limits, differences, omega_consumers, streams, task_consumers
from clones.routing import clones_by_type, types_by_clone
from clones.tables import table_of
from clones.workflows import WORKFLOWS
from ops.connect import Where
from ops.doctor.check import Check, note, ok, wrong
from ops.status import ask

CONNECT_S = 3.0
CLOCK_S = 0.5
"""How far this machine's clock may be from the server's: deadlines and waiting times compare the two."""
OMEGA = "omega"

_NOT_FOUND = {10059, 10014}


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
        if named:
            yield wrong("server", error.message, "Start that server, or name another one")
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
    there = {answer.clone for answer in await ask(network)}
    missing = [name for name in (OMEGA, *types_by_clone(await table_of(network))) if name not in there]
    if missing:
        commands = ", ".join(f"sanctuary {'' if name == OMEGA else 'clone '}{name}" for name in missing)
        yield wrong(
            "clones", f"nobody answers as {', '.join(missing)}", f"sanctuary up starts all; one alone: {commands}"
        )
    else:
        yield ok("clones", f"{', '.join(sorted(there))} answer")


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
            *omega_consumers(subjects, WORKFLOWS),
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
