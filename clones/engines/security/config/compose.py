"""Compose files."""

from collections.abc import Iterator

from clones.engines.security.config import containers
from clones.engines.security.config.hit import Hit
from clones.engines.security.config.yaml_nodes import Node, documents

_NAMESPACES = (("network_mode", "network"), ("pid", "processes"), ("ipc", "shared memory"), ("userns_mode", "users"))


def check(text: str) -> list[Hit]:
    """Return what is unsafe in a compose file.

    Raises:
        FileError: it is no YAML.
    """
    hits = {
        hit
        for document in documents(text)
        for service in {id(node): node for _, node in document.items("services")}.values()
        for hit in _service(service)
    }
    return sorted(hits, key=lambda hit: (hit.line, hit.rule, hit.message))


def _service(service: Node) -> Iterator[Hit]:
    if service.is_true("privileged"):
        yield Hit(
            rule="container/privileged",
            line=_line(service, "privileged"),
            message="the container may do what the host may",
        )
    for key, what in _NAMESPACES:
        if service.text(key) == "host":
            yield Hit(
                rule="container/host-namespace",
                line=_line(service, key),
                message=f"the container shares the host's {what}",
            )
    for volume in service.each("volumes"):
        source = volume.text("source") if isinstance(volume.value, dict) else volume.text().partition(":")[0]
        yield from containers.mount(source, volume.line)
    yield from containers.capabilities(service.each("cap_add"))
    for option in service.each("security_opt"):
        if option.text().replace("=", ":") in {"seccomp:unconfined", "apparmor:unconfined", "systempaths:unconfined"}:
            yield Hit(rule="container/unconfined", line=option.line, message=f"{option.text()} takes a barrier away")
    for name, value in service.items("environment"):
        yield from containers.variable(name, value)
    for entry in service.each("environment"):
        name, _, given = entry.text().partition("=")
        yield from containers.variable(name, Node(entry.line, given))


def _line(node: Node, key: str) -> int:
    found = node.get(key)
    return found.line if found is not None else node.line
