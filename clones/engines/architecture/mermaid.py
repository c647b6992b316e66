"""The picture as Mermaid text, for Markdown."""

from clones.engines.architecture.diagram import labels
from clones.engines.architecture.packages import Structure


def write(structure: Structure) -> str:
    """Return a flowchart with one subgraph a layer; imports against the layers are red."""
    shown = labels([part.name for part in structure.parts])
    ids = {part.name: f"n{index}" for index, part in enumerate(structure.parts)}
    lines = ["flowchart TB"]
    for index, layer in enumerate(structure.layers):
        number = len(structure.layers) - index
        lines.append(f'  subgraph layer{number}["layer {number}"]')
        lines += [f'    {ids[name]}["{quoted(shown[name])}"]' for name in layer]
        lines.append("  end")
    red = []
    arcs = [dependency for dependency in structure.dependencies if dependency.runtime]
    for index, dependency in enumerate(arcs):
        count = f"|{dependency.runtime}|" if dependency.runtime > 1 else ""
        lines.append(f"  {ids[dependency.importer]} -->{count} {ids[dependency.imported]}")
        if (dependency.importer, dependency.imported) in structure.upward:
            red.append(str(index))
    if red:
        lines.append(f"  linkStyle {','.join(red)} stroke:#dc2626,stroke-width:2px")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Escape what ends or opens something in a Mermaid label (its entities are `#name;`)."""
    replaced = text.replace("#", "#35;").replace("&", "#amp;").replace('"', "#quot;")
    return replaced.replace("<", "#lt;").replace(">", "#gt;").replace("\n", " ")
