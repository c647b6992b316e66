"""The interpreter of Python code over what values may be, put together from its parts."""

from clones.engines.security.taint.calls import Calls
from clones.engines.security.taint.classes import Classes
from clones.engines.security.taint.containers import Containers
from clones.engines.security.taint.expressions import Expressions
from clones.engines.security.taint.guards import Guards
from clones.engines.security.taint.outside import Outside
from clones.engines.security.taint.statements import Statements


class Frame(Statements, Expressions, Guards, Calls, Classes, Containers, Outside):
    """One execution of the body of a function, class or module."""
