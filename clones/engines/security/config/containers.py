"""What compose files and cluster manifests have in common: mounts, capabilities, environment."""

from collections.abc import Iterable, Iterator

from clones.engines.security.config.hit import Hit, is_credential
from clones.engines.security.config.yaml_nodes import Node

_WIDE = frozenset({"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF"})
"""Capabilities that lead out of a container (capabilities(7))."""
_SOCKETS = frozenset({"docker.sock", "containerd.sock", "crio.sock"})
_OF_THE_HOST = (
    "/",
    "/etc",
    "/root",
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/run",
    "/run",
)


def mount(path: str, line: int) -> Iterator[Hit]:
    """Judge a directory or file of the host that a container gets."""
    place = path.rstrip("/") or "/"
    if place.rpartition("/")[2] in _SOCKETS:
        yield Hit(
            rule="container/runtime-socket",
            line=line,
            message=f"{path} lets the container start any other, as root of the host",
        )
    elif place in _OF_THE_HOST:
        yield Hit(rule="container/host-directory", line=line, message=f"the container gets the host's {path}")


def capabilities(added: Iterable[Node]) -> Iterator[Hit]:
    """Judge the capabilities that a container gets."""
    for each in added:
        name = each.text().upper().removeprefix("CAP_")
        if name in _WIDE:
            yield Hit(
                rule="container/capability", line=each.line, message=f"the capability {name} leads out of a container"
            )


def variable(name: str, value: Node) -> Iterator[Hit]:
    """Judge a variable of the environment that is given its value."""
    if is_credential(name, value.text()):
        message = f"{name} is given its value here, and stands in every copy of the file"
        yield Hit(rule="container/credential", line=value.line, message=message, secret=value.text())
