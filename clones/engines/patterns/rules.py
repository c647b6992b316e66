"""What is looked for: why it costs time, and what is done in its place."""

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """A pattern."""

    title: str
    why: str
    instead: str


RULES = {
    "string-built-in-loop": Rule(
        "A string is built by `+=` in a loop",
        "each pass may copy all that is there: quadratic, but where CPython can extend a local string in place",
        "append the parts to a list and `''.join` it after the loop",
    ),
    "list-searched-in-loop": Rule(
        "`in` searches a list in a loop",
        "each search reads the list from its beginning: the time is the product of both lengths",
        "keep a set of the same values, if they can be hashed, and search that",
    ),
    "list-shifted-in-loop": Rule(
        "A list is changed at its front in a loop",
        "each change moves all the other items: quadratic",
        "use `collections.deque` with `popleft` or `appendleft`",
    ),
    "pattern-compiled-in-loop": Rule(
        "A constant regular expression is compiled in a loop",
        "each pass looks it up in the cache of `re`, or compiles it again where the cache is full",
        "compile it once, outside the loop",
    ),
    "query-in-loop": Rule(
        "A query for each pass of a loop",
        "each pass goes to the database and back (N+1 queries)",
        "ask for all of them at once: `__in`, `in_bulk`, `bulk_create`, `.in_()`, a join or `executemany`",
    ),
    "related-in-loop": Rule(
        "A related object is loaded in each pass of a loop",
        "Django gets it with a query of its own when it is first touched (N+1 queries)",
        "`select_related` it in the query that the loop runs over",
    ),
    "PERF101": Rule(
        "A needless `list()` of what is iterated", "it copies everything first", "iterate over it directly"
    ),
    "PERF102": Rule(
        "`items()` where only keys or values are used", "a pair is built for each", "use `keys()` or `values()`"
    ),
    "PERF401": Rule("A list is filled by `append` in a loop", "a call for each item", "use a list comprehension"),
    "PERF403": Rule("A dict is filled in a loop", "slower than a comprehension", "use a dict comprehension"),
    "FURB129": Rule("`readlines()` is iterated", "the whole file is in memory at once", "iterate over the file itself"),
    "FURB192": Rule("`sorted(…)[0]`", "everything is sorted for one value", "use `min` or `max`"),
    "RUF015": Rule("A list is built for its first item", "all the others are built, too", "use `next(iter(…))`"),
    "RUF017": Rule(
        "Lists are joined by `sum`",
        "each addition copies what is there: quadratic",
        "use `itertools.chain.from_iterable`",
    ),
    "C419": Rule(
        "A list is built for `any` or `all`", "it is built whole though the first value may decide", "use a generator"
    ),
    "B019": Rule(
        "A method is cached by `lru_cache` or `cache`",
        "the cache keeps each instance alive: memory grows",
        "use `functools.cached_property`, or cache a function",
    ),
    "ASYNC210": Rule(
        "A blocking HTTP call in an async function", "the whole event loop waits for it", "use an asynchronous client"
    ),
    "ASYNC212": Rule(
        "A blocking httpx call in an async function", "the whole event loop waits for it", "use `httpx.AsyncClient`"
    ),
    "ASYNC220": Rule(
        "A process is started by a blocking call in an async function",
        "the whole event loop waits for it",
        "use `asyncio.create_subprocess_exec`",
    ),
    "ASYNC221": Rule(
        "A process is run by a blocking call in an async function",
        "the whole event loop waits until it has ended",
        "use `asyncio.create_subprocess_exec`",
    ),
    "ASYNC222": Rule(
        "An async function waits for a process by a blocking call",
        "the whole event loop waits until it has ended",
        "use `asyncio.create_subprocess_exec`",
    ),
    "ASYNC230": Rule(
        "A file is opened by a blocking call in an async function",
        "the whole event loop waits for the disk",
        "do it in `asyncio.to_thread`",
    ),
    "ASYNC251": Rule(
        "`time.sleep` in an async function", "the whole event loop sleeps", "use `await asyncio.sleep(…)`"
    ),
}
"""By name: our own in words, the others ruff's."""
RUFF = tuple(sorted(name for name in RULES if name.isupper()))


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a pattern is."""

    rule: str
    file: str
    line: int
    evidence: tuple[int, ...] = ()
    """Other lines that show it: where the list is built, where the loop begins."""
