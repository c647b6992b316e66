"""Manifests of Kubernetes: pods wherever they are described, and rights."""

from collections.abc import Iterator

from clones.engines.security.config import containers
from clones.engines.security.config.dockerfile import is_unpinned
from clones.engines.security.config.hit import Hit
from clones.engines.security.config.yaml_nodes import Node, documents

_POD = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"),
        ("spec", "template", "spec"),
    ),
}
_NAMESPACES = (("hostNetwork", "network"), ("hostPID", "processes"), ("hostIPC", "shared memory"))


def is_manifest(text: str) -> bool:
    """Whether a file may be a manifest, told before it is read whole."""
    return "apiVersion:" in text and "kind:" in text


def check(text: str) -> list[Hit]:
    """Return what is unsafe in a file of manifests.

    Raises:
        FileError: it is no YAML.
    """
    hits: set[Hit] = set()
    for document in documents(text):
        for node in (document, *document.each("items")) if document.text("kind") == "List" else (document,):
            hits.update(_object(node))
    return sorted(hits, key=lambda hit: (hit.line, hit.rule, hit.message))


def _object(node: Node) -> Iterator[Hit]:
    kind = node.text("kind")
    if kind in _POD and (pod := node.get(*_POD[kind])) is not None:
        yield from _pod(pod)
    elif kind in {"Role", "ClusterRole"}:
        for rule in node.each("rules"):
            if all("*" in {each.text() for each in rule.each(key)} for key in ("verbs", "resources")):
                yield Hit(
                    rule="kubernetes/all-rights",
                    line=rule.line,
                    message=f"this {kind} may do everything with everything",
                )
    elif kind in {"RoleBinding", "ClusterRoleBinding"} and node.text("roleRef", "name") == "cluster-admin":
        line = _line(node.get("roleRef") or node, "name")
        yield Hit(
            rule="kubernetes/cluster-admin", line=line, message="who is named here may do everything in the cluster"
        )


def _pod(pod: Node) -> Iterator[Hit]:
    for key, what in _NAMESPACES:
        if pod.is_true(key):
            yield Hit(
                rule="container/host-namespace", line=_line(pod, key), message=f"the pod shares the host's {what}"
            )
    for volume in pod.each("volumes"):
        if path := volume.text("hostPath", "path"):
            found = list(containers.mount(path, volume.line))
            message = f"the pod gets the host's {path}"
            yield from found or [Hit(rule="kubernetes/host-path", line=volume.line, message=message)]
    yield from _runs_as(pod)
    listed = [*pod.each("initContainers"), *pod.each("containers")]
    for container in {id(each): each for each in listed}.values():
        yield from _container(container)


def _container(container: Node) -> Iterator[Hit]:
    name = container.text("name")
    context = container.get("securityContext") or Node(container.line, {})
    if context.is_true("privileged"):
        yield Hit(
            rule="container/privileged",
            line=_line(context, "privileged"),
            message="the container may do what the host may",
        )
    if context.is_true("allowPrivilegeEscalation"):
        line = _line(context, "allowPrivilegeEscalation")
        yield Hit(
            rule="kubernetes/privilege-escalation",
            line=line,
            message="a program in it may get more rights than it began with",
        )
    yield from _runs_as(container)
    yield from containers.capabilities(context.each("capabilities", "add"))
    for entry in container.each("env"):
        if (value := entry.get("value")) is not None:
            yield from containers.variable(entry.text("name"), value)
    image = container.get("image")
    if image is not None and image.text() and is_unpinned(image.text()):
        yield Hit(
            rule="docker/unpinned-image", line=image.line, message=f"the image {image.text()} has no fixed version"
        )
    if container.get("image") is not None and container.get("resources", "limits", "memory") is None:
        yield Hit(
            rule="kubernetes/no-limits",
            line=container.line,
            message=f"the container {name} may take all memory of its node",
        )


def _runs_as(node: Node) -> Iterator[Hit]:
    if node.text("securityContext", "runAsUser") == "0":
        line = _line(node.get("securityContext") or node, "runAsUser")
        yield Hit(rule="kubernetes/root-user", line=line, message="it runs as root")


def _line(node: Node, key: str) -> int:
    found = node.get(key)
    return found.line if found is not None else node.line
