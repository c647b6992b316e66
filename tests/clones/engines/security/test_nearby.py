"""What stands around a line, and what bounds it."""

import msgspec
import pytest

from clones.engines.security.nearby import MAX_LINES, Functions, Harmless
from clones.engines.security.reported import Cleared, Reported, Scan
from clones.engines.security.scanners import MAX_OF_A_FILE, bounded

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
    one = Reported(engine="ruff", rule="S307", path="many.py", line=1, end_line=1, message="")
    other = msgspec.structs.replace(one, path="few.py")
    scan = Scan(
        name="ruff",
        version="1",
        command=(),
        results=(*[one] * (MAX_OF_A_FILE + 7), other),
        files_analysed=2,
        duration_s=0,
    )
    told = bounded(scan)
    assert len(told.results) == MAX_OF_A_FILE + 1
    assert told.results[-1] == other
    [note] = told.left_out
    assert (note.subject, str(MAX_OF_A_FILE + 7) in note.reason) == ("many.py", True)
    assert bounded(told) is told
