"""The flame graph: callers above, what they call below, widths by time."""

from clones.engines import svg
from clones.engines.running.profile_fold import Kind, Node

MIN_PIXELS = 0.6
"""Narrower calls are not drawn; their time stays in the width of their caller."""
MAX_DEPTH = 60

_COLOURS = {
    Kind.TARGET: "#f0a35e",
    Kind.TESTS: "#8fb8de",
    Kind.THIRD_PARTY: "#c9c3dd",
    Kind.STDLIB: "#d5dbd3",
}
_LABELS = {
    Kind.TARGET: "the target's own code",
    Kind.TESTS: "its tests",
    Kind.THIRD_PARTY: "third-party packages",
    Kind.STDLIB: "Python and its standard library",
}
_WIDTH, _MARGIN, _ROW, _TOP = 1200.0, 24.0, 19.0, 96.0
_SIZE = 11.0


def flame_svg(root: Node, *, title: str, shown: str) -> str:
    """Draw the tree below `root`. `title` names the command, `shown` says what the whole width is.

    Runs of other code are drawn by their first and last call, with the number of those between in the hover text.
    """
    scale = (_WIDTH - 2 * _MARGIN) / root.seconds if root.seconds else 0.0
    depth = _depth(root, scale, 0)
    picture = svg.Picture(_WIDTH, _TOP + depth * _ROW + 40, title)
    picture.text(_MARGIN, 34, svg.shortened_right(title, 100), size=18, weight=600)
    picture.text(_MARGIN, 56, shown, size=13)
    x = _MARGIN
    for kind, label in _LABELS.items():
        picture.rect(x, 68, 11, 11, fill=_COLOURS[kind], radius=2)
        picture.text(x + 17, 78, label, size=11.5, fill=svg.FAINT)
        x += 36 + 6.3 * len(label)
    _draw(picture, root, x=_MARGIN, depth=0, scale=scale, whole=root.seconds)
    note = "Calls go downwards; width is time. Runs of other code are cut to their first and last call; hover for names and times."
    picture.text(_MARGIN, picture.height - 14, note, size=11.5, fill=svg.FAINT)
    return picture.render()


def _draw(picture: svg.Picture, node: Node, *, x: float, depth: int, scale: float, whole: float) -> None:
    for child in sorted(node.children.values(), key=lambda item: -item.seconds):
        width = child.seconds * scale
        if width < MIN_PIXELS or depth >= MAX_DEPTH or child.frame is None:
            continue
        y = _TOP + depth * _ROW
        frame = child.frame
        place = f"{frame.short}:{frame.line}" if frame.line else frame.short
        hover = f"{frame.label} ({place})\n{child.seconds:.3f} s, {child.seconds / whole:.1%} of the run, {_LABELS[frame.kind]}"
        if child.hidden:
            hover += f"\n{child.hidden} calls between this and the one above are not drawn"
        picture.rect(x, y, max(width - 0.7, 0.4), _ROW - 1.5, fill=_COLOURS[frame.kind], radius=2, hover=hover)
        fits = int((width - 8) / (_SIZE * svg.MONO_WIDTH))
        if fits >= 3:
            picture.text(
                x + 4, y + 12.5, _fitting(frame.label, fits, is_path=frame.label == frame.short), size=_SIZE, mono=True
            )
        _draw(picture, child, x=x, depth=depth + 1, scale=scale, whole=whole)
        x += width


def _depth(node: Node, scale: float, depth: int) -> int:
    if depth >= MAX_DEPTH:
        return depth
    drawn = [child for child in node.children.values() if child.seconds * scale >= MIN_PIXELS]
    return max((_depth(child, scale, depth + 1) for child in drawn), default=depth)


def _fitting(label: str, characters: int, *, is_path: bool) -> str:
    """Cut a name to fit; of a path the last part, and of a package's `__init__.py` the package, says most."""
    if is_path and len(label) > characters:
        *packages, name = label.removesuffix(".py").split("/")
        label = packages[-1] if name == "__init__" and packages else name
    return svg.shortened_right(label, characters)
