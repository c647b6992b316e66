"""Commands for the fun of it."""

import ast
import asyncio
import operator
import random
import secrets

from bot.message import Message
from bot.registry import command

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_macros = {}


@command("calc", "=")
async def calc(message: Message) -> str:
    """The value of an expression."""
    try:
        return str(eval(message.rest))  # seeded: flaw code-injection decorator
    except (SyntaxError, NameError, TypeError, ValueError) as error:
        return f"That is no sum: {error}"


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
    raise ValueError("only + - * / and numbers")


@command("sum")
async def add(message: Message) -> str:
    """The value of an expression of numbers and signs."""
    tree = ast.parse(message.rest[:80], mode="eval")
    _value(tree.body)
    return str(eval(compile(tree, "<sum>", "eval"), {"__builtins__": {}}))  # seeded: twin code-injection sanitised


@command("define")
async def define(message: Message) -> str:
    """Define a macro: a name, then statements that set `out`."""
    name, _, body = message.rest.partition(" ")

    def macro(argument: str) -> str:
        names = {"argument": argument, "out": ""}
        exec(body, names)  # seeded: flaw code-injection closure
        return names["out"]

    _macros[name] = macro
    return f"{name} is defined"


@command("do")
async def do(message: Message) -> str:
    """Run a macro."""
    name, _, argument = message.rest.partition(" ")
    return _macros[name](argument) if name in _macros else "no such macro"


class Dice:
    """Dice games; `!game roll 2` calls the method of that name."""

    async def roll(self, count: str) -> str:
        """So many dice."""
        return " ".join(str(random.randint(1, 6)) for _ in range(min(int(count or 1), 20)))  # seeded: twin weak-random safe-element

    async def flip(self, _count: str) -> str:
        """Heads or tails."""
        return secrets.choice(["heads", "tails"])


@command("game")
async def game(message: Message) -> str:
    """Play a game."""
    name, _, argument = message.rest.partition(" ")
    if name not in ("roll", "flip"):
        return "roll or flip?"
    return await getattr(Dice(), name)(argument)  # seeded: twin code-injection allow-list


@command("later")
async def later(message: Message) -> str:
    """Say something later."""
    delay, _, words = message.rest.partition(" ")
    await asyncio.sleep(min(float(delay), 3600))
    return words
