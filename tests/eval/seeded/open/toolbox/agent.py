"""Listens for orders of the central office."""

import asyncio
import json
import logging
import marshal
import pickle
import socketserver
import subprocess
from dataclasses import dataclass, field

logger = logging.getLogger("agent")

LIMITS = {"cpu": 80}
PENDING = []


@dataclass
class Order:
    name: str
    arguments: list = field(default_factory=list)

    @property
    def line(self):
        return " ".join([self.name, *self.arguments])


class OrderHandler(socketserver.StreamRequestHandler):
    def handle(self):
        parts = self.rfile.readline().decode().split()
        order = Order(parts[0], parts[1:])
        self.run(order)

    def run(self, order):
        subprocess.run(order.line, shell=True, check=False)  # seeded: flaw command-injection class


class CheckedHandler(OrderHandler):
    ALLOWED = frozenset({"uptime", "df", "free"})

    def run(self, order):
        if order.name in self.ALLOWED:
            subprocess.run([order.name], check=False)  # seeded: twin command-injection allow-list


class StateProtocol(asyncio.Protocol):
    def __init__(self):
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        if self.buffer.endswith(b"."):
            self.finish()

    def finish(self):
        state = pickle.loads(self.buffer)  # seeded: flaw deserialization class
        LIMITS.update(state)


class JsonProtocol(StateProtocol):
    def finish(self):
        LIMITS.update(json.loads(self.buffer))  # seeded: twin deserialization api


async def serve(reader, writer):
    header = await reader.readline()
    logger.info("order: %s", header.decode())  # seeded: flaw log-injection async
    body = await reader.readexactly(int(header.split()[-1]))
    PENDING.append(body)
    writer.close()


async def serve_counted(reader, writer):
    header = await reader.readline()
    logger.info("order of %d bytes", len(header))  # seeded: twin log-injection typed
    writer.close()


def work_off():
    while PENDING:
        exec(marshal.loads(PENDING.pop()))  # seeded: flaw deserialization global


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", 9000)
    counted = await asyncio.start_server(serve_counted, "0.0.0.0", 9001)
    async with server, counted:
        await asyncio.gather(server.serve_forever(), counted.serve_forever())


if __name__ == "__main__":
    asyncio.run(main())
