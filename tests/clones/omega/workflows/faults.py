"""Whatever a driver asks of others may be where it stands still: before it is asked, and after."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple


class Point(NamedTuple):
    """The `number`th time, from 1, that a driver comes by what is called so."""

    name: str
    number: int


class Points:
    """Counts the points that one run's driver comes by, and has it stand still at one of them until it is told to go on."""

    def __init__(self, at: Point | None = None) -> None:
        self.names: list[str] = []
        """Of all points, in order."""
        self.at = at
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def point(self, name: str) -> None:
        """Come by a point."""
        self.names.append(name)
        if self.at == (name, self.names.count(name)):
            self.reached.set()
            await self.go_on.wait()


class Faulty:
    """Stands for `target` and has a point before and after each call that is awaited."""

    def __init__(self, target: object, points: Points, name: str) -> None:
        self._target = target
        self._points = points
        self._name = name

    def __getattr__(self, attribute: str) -> Callable[..., Any]:
        method = getattr(self._target, attribute)

        async def call(*args: Any, **named: Any) -> Any:
            await self._points.point(f"before {self._name}.{attribute}")
            result = await method(*args, **named)
            await self._points.point(f"after {self._name}.{attribute}")
            return result

        return call
