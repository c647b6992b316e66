"""What stands around a line, and what bounds it."""

import msgspec
import pytest

from clones.engines.security.nearby import MAX_LINES, Functions, Harmless
from clones.engines.security.reported import Cleared, Reported, Scan
from clones.engines.security.scanners import MAX_LINES as SPANNED
from clones.engines.security.scanners import MAX_OF_A_FILE, MAX_OF_A_LINE, bounded

SOURCE = """\
x = 1
def outer(a):
    text = '''
at the margin
'''
    eval(text)
    async def inner():
        eval(a)

    eval(a)
eval(x)
class A:
    def method(self):
        eval(self)
    eval(x)
"""


@pytest.mark.parametrize(
    ("line", "head", "count"),
    [
        (1, None, 0),
        (2, None, 0),
        (6, "def outer(a):", 9),
        (8, "    async def inner():", 3),
        (10, "def outer(a):", 9),
        (11, None, 0),
        (14, "    def method(self):", 2),
        (99, None, 0),
    ],
)
def test_the_function_around_a_line(line: int, head: str | None, count: int) -> None:
    function = Functions(SOURCE.split("\n")).around(line)
    assert (function[0] if function else None, len(function)) == (head, count)


def test_a_function_without_end_is_bounded_and_looked_up_at_once() -> None:
    source = ["def f():", *["    eval(x)"] * 200_000]
    functions = Functions(source)
    # a search from each line would take hours
    assert {len(functions.around(line)) for line in range(2, len(source), 7)} == {MAX_LINES}
    assert Functions(["    eval(x)"] * 200_000).around(199_999) == ()


def test_what_is_harmless_near_a_line() -> None:
    def cleared(line: int, end_line: int = 0, function: tuple[int, int] = (0, 0), why: str = "one") -> Cleared:
        return Cleared(path="a.py", line=line, end_line=end_line, cwe=78, why=why, function=function)

    one, long, whole = cleared(3), cleared(5, 9), cleared(20, function=(18, 30))
    harmless = Harmless([one, long, whole, *(cleared(3, why=f"the constant {at}") for at in range(200_000))])
    assert harmless.near("a.py", 1, 3) == [one]
    assert harmless.near("a.py", 7, 7) == [long]
    assert harmless.near("a.py", 25, 25) == [whole]
    assert harmless.near("a.py", 1, 10_000_000) == [one, long, whole]
    assert harmless.near("b.py", 3, 3) == []


def test_the_results_of_one_file_are_bounded_and_the_rest_is_counted() -> None:
    one = Reported(engine="ruff", rule="S307", path="few.py", line=1, end_line=1, message="")
    many = [msgspec.structs.replace(one, path="many.py", line=at, end_line=10**6) for at in range(MAX_OF_A_FILE + 7)]
    crowded = [msgspec.structs.replace(one, path="crowded.py", rule=f"S{at}") for at in range(MAX_OF_A_LINE + 5)]
    results = (*many, *crowded, one)
    told = bounded(Scan(name="ruff", version="1", command=(), results=results, files_analysed=3, duration_s=0))
    assert len(told.results) == MAX_OF_A_FILE + MAX_OF_A_LINE + 1
    assert told.results[0].end_line == SPANNED
    assert told.results[-1] == one
    assert [(note.subject, note.reason.split(": ")[1]) for note in told.left_out] == [
        ("crowded.py", "5 places are not told"),
        ("many.py", "7 places are not told"),
    ]
    assert bounded(told) == told
