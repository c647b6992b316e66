"""Fault points: whatever a driver asks of others may be the last thing that it does, before it is asked and after."""

import asyncio
from collections.abc import Callable
from typing import Any


class Killed(BaseException):
    """The process is gone: nothing catches this, as nothing catches kill -9."""


class Points:
    """Counts the points of one run's driver, and kills it at one of them, or has it stand still there."""

    def __init__(self, at: int | None = None, *, freeze: bool = False) -> None:
        """Take the number of the point, from 1; None: none."""
        self.passed = 0
        self.names: list[str] = []
        self._at = at
        self._freeze = freeze
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def point(self, name: str) -> None:
        """Pass a point, or not."""
        self.passed += 1
        self.names.append(name)
        if self._at is None or self.passed < self._at:
            return
        if not self._freeze:
            # Whatever else is under way in this process ends here as well.
            self.reached.set()
            raise Killed(name)
        if self.passed == self._at:
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
