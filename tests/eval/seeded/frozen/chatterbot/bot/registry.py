"""Commands by name."""

from collections.abc import Awaitable, Callable

from bot.message import Message

Command = Callable[[Message], Awaitable[str]]
_commands: dict[str, Command] = {}


def command(*names: str) -> Callable[[Command], Command]:
    """Make a function the command of some names."""

    def register(function: Command) -> Command:
        for name in names:
            _commands[name] = function
        return function

    return register


async def answer(message: Message) -> str:
    """What the bot says to a message."""
    known = _commands.get(message.command)
    return await known(message) if known else "I do not know that."
