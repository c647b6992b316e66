"""Matches: start one, watch one, invite to one."""

import importlib
import operator
import random
import shlex
import subprocess
import time

from calls import Call

MAPS = {"dust": "maps/dust.bsp", "ice": "maps/ice.bsp"}
MODES = ("duel", "team", "flag")
BINARY = "/usr/games/arena-server"
_invitations: dict[str, str] = {}
_scores = {"kills": operator.itemgetter("kills"), "time": operator.itemgetter("time")}


class Launcher:
    """Starts a game server for a match."""

    def __init__(self, binary: str = BINARY) -> None:
        self.parts = [binary]

    def option(self, name: str, value: str) -> "Launcher":
        """Add an option."""
        self.parts.append(f"--{name}={value}")
        return self

    def start(self) -> int:
        """Start the server; return the process's number."""
        return subprocess.Popen(" ".join(self.parts), shell=True).pid  # seeded: flaw command-injection class

    def start_plain(self) -> int:
        """Start the server without a shell; return the process's number."""
        return subprocess.Popen(self.parts).pid  # seeded: twin command-injection api


def start(call: Call) -> None:
    """Start a match."""
    launcher = Launcher()
    for name, values in call.query.items():
        launcher.option(name, values[0])
    call.data({"pid": launcher.start()})


def start_known(call: Call) -> None:
    """Start a match on one of our maps."""
    launcher = Launcher().option("map", MAPS[call.value("map", "dust")]).option("title", call.value("title"))
    call.data({"pid": launcher.start_plain()})


def announce(call: Call) -> None:
    """Say something in all matches."""
    text = shlex.quote(call.value("text")[:200])
    subprocess.run(f"echo {text} > /run/arenad/announce", shell=True, check=True)  # seeded: twin command-injection sanitised
    call.data({"ok": True})


def demo(call: Call) -> None:
    """Start a match that nobody plays."""
    mode = call.value("mode")
    if mode not in MODES:
        mode = MODES[0]
    subprocess.run(f"{BINARY} --demo --mode {mode}", shell=True, check=False, timeout=30)  # seeded: twin command-injection allow-list
    call.data({"mode": mode})


def mod(call: Call) -> None:
    """What a mod says of itself."""
    module = importlib.import_module(call.value("name", "mods.classic"))  # seeded: flaw code-injection direct
    call.data({"about": module.__doc__})


def official(call: Call) -> None:
    """What one of the studio's mods says of itself."""
    names = ["mods.classic", "mods.arcade"]
    module = importlib.import_module(names[int(call.value("number", "0")) % 2])  # seeded: twin code-injection safe-element
    call.data({"about": module.__doc__})


def handicap(call: Call) -> None:
    """A player's handicap, by a formula over the scores of the match."""
    asked = call.json
    formula = compile(asked["formula"], "formula", "eval")
    scores = [float(each) for each in asked["scores"]]
    call.data({"handicap": [eval(formula, {"score": score}) for score in scores]})  # seeded: flaw code-injection loop


def odds(call: Call) -> None:
    """The odds of a match, by the formula of the season."""
    formulas = {"asked": call.value("formula"), "season": "(wins + 1) / (wins + losses + 2)"}
    formulas["asked"] = formulas["season"]
    names = {name: int(call.value(name, "0")) for name in ("wins", "losses")}
    call.data({"odds": eval(formulas["asked"], {"__builtins__": {}}, names)})  # seeded: twin code-injection overwritten


def best(call: Call) -> None:
    """The best of a match."""
    asked = call.json
    key = _scores[asked.get("by", "kills")]
    call.data(max(asked["players"], key=key))


def invite(call: Call) -> None:
    """An invitation to a private match, for whoever knows its code."""
    random.seed(time.time_ns())
    code = f"{random.randint(0, 10**9):09}"  # seeded: flaw weak-random direct
    _invitations[code] = call.value("match")
    call.data({"code": code})


def spawn(call: Call) -> None:
    """Where the players of a match begin."""
    places = list(range(int(call.value("players", "2")) % 64))
    random.Random(call.value("match")).shuffle(places)  # seeded: twin weak-random safe-element
    call.data(places)


def join(call: Call) -> None:
    """Join by an invitation, then go where the client was."""
    if call.value("code") not in _invitations:
        raise ValueError("no such invitation")
    call.go(call.value("back", "/"))


ROUTES = {
    "POST match": start,
    "POST known": start_known,
    "POST announce": announce,
    "POST demo": demo,
    "GET mod": mod,
    "GET official": official,
    "POST handicap": handicap,
    "GET odds": odds,
    "POST best": best,
    "POST invite": invite,
    "GET spawn": spawn,
    "GET join": join,
}
