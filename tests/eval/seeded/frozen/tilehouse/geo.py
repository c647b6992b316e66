"""Little things about coordinates and files that every module needs."""

import math
import os
import re
from typing import NamedTuple

CACHE = "/var/cache/tilehouse"
_LAYER = re.compile(r"[a-z][a-z0-9_]{0,40}")


class Tile(NamedTuple):
    """A tile's place in the pyramid."""

    z: int
    x: int
    y: int


def tile(values) -> Tile:
    """The tile that a request's path names; `ValueError` where it is none."""
    return Tile(*(int(values[name]) for name in ("z", "x", "y")))


def bounds(one: Tile) -> tuple[float, float, float, float]:
    """West, south, east and north of a tile, in degrees."""
    n = 2.0**one.z

    def latitude(y: float) -> float:
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / n))))

    return one.x / n * 360 - 180, latitude(one.y + 1), (one.x + 1) / n * 360 - 180, latitude(one.y)


def layer_name(text: str) -> str:
    """A layer's name, or `ValueError`."""
    if _LAYER.fullmatch(text) is None:
        raise ValueError("a layer is lower case letters, digits and underscores")
    return text


def cached(layer: str, one: Tile, style: str = "plain") -> str:
    """Where a tile is cached."""
    return os.path.join(CACHE, layer, style, str(one.z), str(one.x), f"{one.y}.png")
