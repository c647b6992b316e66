"""How many are let in at once, and who comes next."""

import asyncio
from collections.abc import Callable

from bus.groups import Groups


class Visitors:
    def __init__(self, groups: Groups, count: int) -> None:
        self.inside: set[int] = set()
        self.most = 0
        self.may_leave = [asyncio.Event() for _ in range(count)]
        self.tasks = [asyncio.create_task(self._visit(groups, number)) for number in range(count)]

    async def _visit(self, groups: Groups, number: int) -> None:
        async with groups:
            self.inside.add(number)
            self.most = max(self.most, len(self.inside))
            try:
                await self.may_leave[number].wait()
            finally:
                self.inside.discard(number)

    async def settled(self) -> set[int]:
        for _ in range(20):
            await asyncio.sleep(0)
        return set(self.inside)


async def test_the_next_come_in_together_once_half_have_left() -> None:
    visitors = Visitors(Groups(4), 9)
    assert await visitors.settled() == {0, 1, 2, 3}
    visitors.may_leave[1].set()
    assert await visitors.settled() == {0, 2, 3}
    visitors.may_leave[0].set()
    assert await visitors.settled() == {2, 3, 4, 5}


async def test_all_get_through_and_never_too_many_at_once() -> None:
    visitors = Visitors(Groups(4), 50)
    for event in visitors.may_leave:
        await visitors.settled()
        event.set()
    await asyncio.gather(*visitors.tasks)
    assert visitors.most == 4


async def test_who_gives_up_takes_no_place() -> None:
    def cancel(number: int) -> Callable[[], object]:
        return visitors.tasks[number].cancel

    for give_up in ((4, 5), (0, 4), (0, 1, 2, 3, 4, 5)):
        visitors = Visitors(Groups(4), 10)
        await visitors.settled()
        # One inside leaves in the same turn: who gives up may have been let in already.
        for number in (6, 7):
            visitors.may_leave[number].set()
        visitors.may_leave[2].set()
        visitors.may_leave[3].set()
        await asyncio.sleep(0)
        for number in give_up:
            cancel(number)()
        for event in visitors.may_leave:
            event.set()
        await asyncio.gather(*visitors.tasks, return_exceptions=True)
        assert {number for number, task in enumerate(visitors.tasks) if task.cancelled()} <= set(give_up)
        assert all(task.done() for task in visitors.tasks)
