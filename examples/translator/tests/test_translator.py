"""The clone on a real network: a server, Omega and this clone, in this process."""

from collections.abc import AsyncIterator

import pytest_asyncio
from translator import Translator

from clones.harness import Harness, network_of
from schemas import TaskCompletion, TaskFailure


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Harness]:
    async with network_of(Translator) as running:
        yield running


async def test_it_translates(network: Harness) -> None:
    result = await network.run("translate", {"text": "hello world"})
    assert isinstance(result, TaskCompletion)
    assert (result.output, result.summary, result.clone) == ("salve munde", "to latin", "translator")


async def test_it_says_what_it_cannot_translate(network: Harness) -> None:
    result = await network.run("translate", {"text": "hello moon", "to": "german"})
    assert isinstance(result, TaskFailure)
    assert (result.code, result.message) == ("incompatible_task", "no german is known for: moon")


async def test_parameters_that_do_not_fit_are_told(network: Harness) -> None:
    result = await network.run("translate", {"text": "hello", "to": "greek"})
    assert isinstance(result, TaskFailure)
    assert "Invalid enum value 'greek' - at `$.params.to`" in result.message
