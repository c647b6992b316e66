"""The Merkle tree of RFC 6962, section 2.1, over SHA-256: appended to leaf by leaf, and what proves things of it.

Leaves are given as their hashes, SHA-256(0x00 || entry); `Root` says of what a proof's other nodes are read or computed.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from bus.errors import SanctuaryError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves."""

Root = Callable[[int, int], bytes]
"""Gives the root of the tree over the leaves [start, end) alone; asked for non-empty ranges only."""


class ProofWrong(SanctuaryError):
    """A proof does not show what it is said to show; the message says what is wrong with it."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the node above two others."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that grows at its right end, held as the roots of its complete subtrees, the largest first.

    That is one node for each bit that is set in its size: 20 for a million leaves. `nodes` and `size` are the whole state.
    """

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        if len(nodes) != size.bit_count() or any(len(node) != HASH_BYTES for node in nodes):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(nodes)}")
        self.size = size
        self._nodes = list(nodes)

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, the largest, leftmost, first."""
        return tuple(self._nodes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves, in order."""
        nodes, size, digest = self._nodes, self.size, sha256
        for leaf in leaves:
            node, full = leaf, size
            while full & 1:
                # As `node_hash` says it, without the call for each: a million leaves a second hang on it.
                node = digest(b"\x01" + nodes.pop() + node).digest()
                full >>= 1
            nodes.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self._nodes:
            return EMPTY_ROOT
        root = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            root = node_hash(node, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root of the tree over these leaves."""
    tree = Frontier()
    tree.extend(leaves)
    return tree.root()


class Tree:
    """A small tree, held whole: it gives the paths of all its leaves at one hash a leaf."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Take its leaves, one or more."""
        self._levels = [leaves]
        while len(level := self._levels[-1]) > 1:
            above = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
            # A node without a sibling moves up as it is: that splits ranges where the RFC does, at powers of two.
            self._levels.append(above if len(level) % 2 == 0 else [*above, level[-1]])

    @property
    def root(self) -> bytes:
        """The root."""
        return self._levels[-1][0]

    def path(self, index: int) -> list[bytes]:
        """Return the audit path of the leaf `index`, as `inclusion_proof` does."""
        path = []
        for level in self._levels[:-1]:
            if (sibling := index ^ 1) < len(level):
                path.append(level[sibling])
            index >>= 1
        return path


def inclusion_proof(index: int, size: int, root: Root) -> list[bytes]:
    """Return the audit path of the leaf `index` in the tree of `size` leaves (RFC 6962, 2.1.1), the leaf's sibling first.

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left(end - start)
        if index < middle:
            path.append(root(middle, end))
            end = middle
        else:
            path.append(root(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, root: Root) -> list[bytes]:
    """Return what proves that the tree of `new` leaves begins with the tree of `old` leaves (RFC 6962, 2.1.2).

    Empty where there is nothing to prove: both are of one size, or the old one is empty.

    Raises:
        ValueError: the old tree is larger than the new one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves cannot begin with one of {old}")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, end = 0, new
    # The old tree's root is known to who verifies: its node is part of the proof only where it is not a subtree by itself.
    known = True
    while old != end:
        middle = start + _left(end - start)
        if old <= middle:
            proof.append(root(middle, end))
            end = middle
        else:
            proof.append(root(start, middle))
            start = middle
            known = False
    if not known:
        proof.append(root(start, end))
    return proof[::-1]


def root_above(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root to which `path` leads from the leaf `index` of a tree of `size` leaves.

    The algorithm is that of RFC 9162, 2.1.3.2, the proofs are the same.

    Raises:
        ProofWrong: no such tree has such a leaf, or no such path.
    """
    if not 0 <= index < size:
        raise ProofWrong(f"a tree of {size} leaves has no leaf {index}")
    node = leaf
    at, last = index, size - 1
    for sibling in path:
        if last == 0:
            raise ProofWrong(f"the path of leaf {index} in a tree of {size} leaves is too long")
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        at >>= 1
        last >>= 1
    if last:
        raise ProofWrong(f"the path of leaf {index} in a tree of {size} leaves is too short")
    return node


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Return where `path` shows that `leaf` is the leaf `index` of the tree of `size` leaves with this root.

    Raises:
        ProofWrong: it does not.
    """
    if root_above(leaf, index, size, path) != root:
        raise ProofWrong(f"the path of leaf {index} leads to another root than that of the tree of {size} leaves")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Return where `proof` shows that the tree of `new` leaves begins with the tree of `old` leaves.

    The algorithm is that of RFC 9162, 2.1.4.2, the proofs are the same.

    Raises:
        ProofWrong: it does not: one of the two trees is not what it is said to be, or history was forked between them.
    """
    if not 0 <= old <= new:
        raise ProofWrong(f"a tree of {new} leaves cannot begin with one of {old}")
    if old in (0, new):
        _nothing_to_prove(old, new, proof, old_root, new_root)
        return
    nodes = list(proof)
    at, last = old - 1, new - 1
    if old & (old - 1) == 0:
        nodes.insert(0, old_root)
    if not nodes:
        raise ProofWrong(f"the proof between trees of {old} and {new} leaves is empty")
    while at & 1:
        at >>= 1
        last >>= 1
    old_node = new_node = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise ProofWrong(f"the proof between trees of {old} and {new} leaves is too long")
        if at & 1 or at == last:
            old_node, new_node = node_hash(node, old_node), node_hash(node, new_node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new_node = node_hash(new_node, node)
        at >>= 1
        last >>= 1
    if last:
        raise ProofWrong(f"the proof between trees of {old} and {new} leaves is too short")
    if old_node != old_root or new_node != new_root:
        raise ProofWrong(f"the tree of {new} leaves does not begin with the tree of {old} leaves")


def _nothing_to_prove(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Compare two trees of one size, or look at an empty old one."""
    if proof:
        raise ProofWrong(f"between trees of {old} and {new} leaves there is nothing to prove")
    if old_root != (new_root if old else EMPTY_ROOT):
        raise ProofWrong(f"there are two trees of {old} leaves with different roots")


def _left(size: int) -> int:
    """Return the leaves of the left subtree: the largest power of two below `size`, of 2 or more."""
    return 1 << ((size - 1).bit_length() - 1)
