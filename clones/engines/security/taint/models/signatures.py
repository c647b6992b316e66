"""What models of functions and methods take and give."""

import ast
from collections.abc import Callable

from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.heap import Obj
from clones.engines.security.taint.values import Value

FunctionModel = Callable[[Base, str, Arguments, ast.AST], Value | None]
"""A function by its canonical name: what a call gives; None where it cannot tell."""
ReceiverModel = Callable[[Base, str, Arguments, ast.AST, Value | None], Value]
"""The same where the receiver of a method matters, which is None in a call of a function."""
MethodModel = Callable[[Base, int, Obj, Arguments, ast.AST], Value]
"""A method of the object of an identity: what a call gives; what it changes is in the state afterwards."""
