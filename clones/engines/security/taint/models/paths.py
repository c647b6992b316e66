"""Functions that put paths together and take them apart."""

import ast

from clones.engines.security.taint import constants
from clones.engines.security.taint.base import Arguments, Base
from clones.engines.security.taint.models.signatures import FunctionModel, ReceiverModel
from clones.engines.security.taint.taints import PATHS, cleanse
from clones.engines.security.taint.values import NORMAL_PATH, UNKNOWN, Value, beginning, const, join_all, tainted

_NORMALISING = (
    *("os.path.realpath", "os.path.abspath", "os.path.normpath", "pathlib.Path.resolve", "pathlib.Path.absolute"),
)


def _normal(frame: Base, name: str, arguments: Arguments, node: ast.AST, receiver: Value | None) -> Value:
    value = arguments.get(0) or receiver or UNKNOWN
    return Value(
        taints=frame.now.taints(value),
        names=frozenset((NORMAL_PATH, *(("pathlib.Path",) if arguments.get(0) is None else ()))),
        other=True,
    )


def _joined_path(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    folded = constants.method("join", const("/"), []) if not arguments.positional else UNKNOWN
    values = arguments.all()
    if values and all(each.is_single and isinstance(each.constant, str) for each in values):
        return const("/".join(str(each.constant).rstrip("/") for each in values))
    start = beginning(arguments.first)
    taints = frame.now.taints(join_all(values))
    return folded if folded.is_constant else Value(taints=taints, other=True, prefix=f"{start}/" if start else "")


def _base_name(frame: Base, name: str, arguments: Arguments, node: ast.AST) -> Value:
    return tainted(cleanse(frame.now.taints(arguments.first), PATHS))


FUNCTIONS: dict[str, FunctionModel] = {
    "os.path.join": _joined_path,
    "os.path.basename": _base_name,
}
OF_RECEIVER: dict[str, ReceiverModel] = dict.fromkeys(_NORMALISING, _normal)
