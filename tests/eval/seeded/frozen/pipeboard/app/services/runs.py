"""Runs of pipelines, in MongoDB."""

from collections.abc import Callable
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

from app.models import Search
from app.settings import settings


class Runs:
    """The collection of runs."""

    def __init__(self) -> None:
        self._runs = AsyncIOMotorClient(settings().mongo).pipeboard.runs

    async def find(self, search: Search) -> list[dict[str, Any]]:
        """Runs of an author, newest first."""
        query: dict[str, Any] = {"author": search.author, "hidden": False}
        query.update(search.more)
        return await self._runs.find(query).sort("at", -1).to_list(search.limit)  # seeded: flaw nosql-injection cross-module

    async def of_author(self, author: str) -> list[dict[str, Any]]:
        """Runs of one person; a name is text and nothing else."""
        return await self._runs.find({"author": {"$eq": str(author)}}).to_list(100)  # seeded: twin nosql-injection typed

    async def longer_than(self, expression: str) -> list[dict[str, Any]]:
        """Runs of which an expression about their duration holds."""
        return await self._runs.find({"$where": "this.duration_s " + expression}).to_list(100)  # seeded: flaw nosql-injection cross-module

    async def slow(self, seconds: float) -> list[dict[str, Any]]:
        """Runs that took longer than so many seconds."""
        return await self._runs.find({"$where": f"this.duration_s > {float(seconds)}"}).to_list(100)  # seeded: twin nosql-injection typed

    async def each(self, act: Callable[[dict[str, Any]], None]) -> None:
        """Hand every run to a callback."""
        async for run in self._runs.find({}):
            act(run)


def get_runs() -> Runs:
    """Dependency of the routes."""
    return Runs()
