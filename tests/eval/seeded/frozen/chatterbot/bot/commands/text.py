"""Commands about texts."""

import hashlib
import re

import tornado.template

from bot.message import Message
from bot.registry import command

_replies: dict[str, str] = {}
WELCOME = tornado.template.Template("Welcome to {{ room }}, {{ name }}!")


@command("learn")
async def learn(message: Message) -> str:
    """Learn a reply; `{{ name }}` stands for who asks."""
    key, _, reply = message.rest.partition(" ")
    _replies[key] = reply
    return "learnt"


@command("reply")
async def reply(message: Message) -> str:
    """Say what was learnt."""
    template = tornado.template.Template(_replies.get(message.rest, "?"), autoescape=None)  # seeded: flaw template-injection global
    return template.generate(name=message.sender).decode()


@command("welcome")
async def welcome(message: Message) -> str:
    """Welcome someone."""
    return WELCOME.generate(room=message.room, name=message.rest).decode()  # seeded: twin template-injection constant


@command("shout")
async def shout(message: Message) -> str:
    """Repeat in capitals what stands between marks."""
    source = "<< {{ said }} >>" if message.rest.endswith("!") else "{{ said }}"
    template = tornado.template.Template(source)  # seeded: twin template-injection constant
    return template.generate(said=message.rest.upper()).decode()


@command("replace")
async def replace(message: Message) -> str:
    """Replace a word in a text: `!replace old new text…`."""
    old, new, *words = message.words()
    return re.sub(re.escape(old), lambda _: new, " ".join(words))  # seeded: twin regex-injection sanitised


@command("swap")
async def swap(message: Message) -> str:
    """Replace a pattern in a text: `!swap pattern new text…`."""
    pattern, new, *words = message.words()
    return re.sub(pattern, new, " ".join(words))  # seeded: flaw regex-injection decorator


@command("numbers")
async def numbers(message: Message) -> str:
    """The numbers in a text."""
    pattern = r"-?\d+"
    return " ".join(re.findall(pattern, message.rest))  # seeded: twin regex-injection constant


@command("digest")
async def digest(message: Message) -> str:
    """The SHA-256 of a text."""
    return hashlib.new("sha256", message.rest.encode()).hexdigest()  # seeded: twin weak-hash api
