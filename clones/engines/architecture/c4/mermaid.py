"""A C4 view in Mermaid's C4 notation, for Markdown."""

from collections.abc import Mapping

from clones.engines.architecture.c4.model import OUTSIDE, Element, ElementKind, View

_DIAGRAM = {"context": "C4Context", "containers": "C4Container", "components": "C4Component"}
_MACRO: Mapping[ElementKind, str] = {
    "person": "Person",
    "system": "System",
    "container": "Container",
    "component": "Component",
    "database": "SystemDb_Ext",
    "queue": "SystemQueue_Ext",
    "service": "System_Ext",
}


def write(view: View) -> str:
    """Return the diagram's text."""
    ids = {element.key: f"e{index}" for index, element in enumerate(view.elements)}
    lines = [_DIAGRAM[view.name], f"  title {_plain(view.title)}"]
    lines += [f"  {_element(each, ids)}" for each in view.elements if each.kind == "person"]
    inner = [each for each in view.elements if each.kind != "person" and each.kind not in OUTSIDE]
    if view.boundary:
        lines.append(f'  System_Boundary(boundary, "{_plain(view.boundary)}") {{')
        lines += [f"    {_element(each, ids)}" for each in inner]
        lines.append("  }")
    else:
        lines += [f"  {_element(each, ids)}" for each in inner]
    lines += [f"  {_element(each, ids)}" for each in view.elements if each.kind in OUTSIDE]
    lines += [f'  Rel({ids[each.start]}, {ids[each.end]}, "{_plain(each.label)}")' for each in view.relations]
    return "\n".join(lines) + "\n"


def _element(element: Element, ids: Mapping[str, str]) -> str:
    texts = [element.name]
    if element.kind in {"container", "component"}:
        texts += [element.technology, element.about]
    else:
        texts.append(". ".join(filter(None, (element.technology, element.about))))
    while not texts[-1]:
        texts.pop()
    quoted = ", ".join(f'"{_plain(text)}"' for text in texts)
    return f"{_MACRO[element.kind]}({ids[element.key]}, {quoted})"


def _plain(text: str) -> str:
    """Return what stands between quotes there, which has no escapes: what would end or open something is replaced."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text)
    return kept.replace('"', "'").replace("<", "(").replace(">", ")").replace("{", "(").replace("}", ")")
