"""Serve the bot."""

import asyncio

from tornado.options import define, options, parse_command_line

from bot.web import make_app

define("port", default=8777, type=int, help="where the chat server posts to")


async def main() -> None:
    """Serve until the process is stopped."""
    parse_command_line()
    make_app().listen(options.port)
    await asyncio.Event().wait()


asyncio.run(main())
