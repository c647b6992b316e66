"""What the bot serves: the hook, the rooms' pages, a socket for clients."""

import os

from tornado.web import Application

import bot.commands
from bot.web import hook, rooms, socket


def make_app() -> Application:
    """The application with its handlers."""
    return Application(
        [
            (r"/hook", hook.Hook),
            (r"/room/([^/]+)", rooms.Room),
            (r"/room/([^/]+)/topic", rooms.Topic),
            (r"/room/([^/]+)/transcript", rooms.Transcript),
            (r"/room/([^/]+)/avatar", rooms.Avatar),
            (r"/day/(\d{4}-\d{2}-\d{2})", rooms.Day),
            (r"/enter", rooms.Enter),
            (r"/leave", rooms.Leave),
            (r"/socket", socket.Socket),
        ],
        cookie_secret=os.environ["BOT_COOKIES"],
        commands=bot.commands.__all__,
    )
