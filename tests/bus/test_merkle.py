"""The tree against RFC 6962's published values (certificate-transparency's test data) and against pymerkle."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from bus.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofWrong,
    Root,
    Tree,
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from bus.records import leaf_hash

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = [(0, 1, []), (0, 8, [A, B, C]), (5, 8, [D, E, ROOTS[4]]), (2, 3, [ROOTS[2]]), (1, 5, [ROOTS[1], B, D])]
CONSISTENCY = [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[4]]), (2, 5, [B, D])]


def over(leaves: Sequence[bytes]) -> Root:
    return lambda start, end: root_of(leaves[start:end])


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, path: list[str]) -> None:
    proof = inclusion_proof(index, size, over(LEAVES))
    assert [node.hex() for node in proof] == path
    verify_inclusion(LEAVES[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old: int, new: int, proof: list[str]) -> None:
    nodes = consistency_proof(old, new, over(LEAVES))
    assert [node.hex() for node in nodes] == proof
    verify_consistency(old, new, nodes, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]))


def test_trees_and_proofs_are_those_of_another_implementation() -> None:
    other, tree = InmemoryTree(algorithm="sha256"), Frontier()
    entries = [index.to_bytes(4, "big") for index in range(33)]
    leaves = [leaf_hash(entry) for entry in entries]
    for size, entry in enumerate(entries, start=1):
        other.append_entry(entry)
        tree.append(leaves[size - 1])
        assert tree.root() == other.get_root()
        root, whole = over(leaves), Tree(leaves[:size])
        assert whole.root == other.get_root()
        for index in range(size):
            # pymerkle's path begins with the leaf itself.
            path = other.prove_inclusion(index + 1, size).path[1:]
            assert inclusion_proof(index, size, root) == path
            assert whole.path(index) == path
    for old in range(1, len(entries) + 1):
        # pymerkle's consistency proofs hold other nodes than the RFC's: its roots are what ours are held against.
        proof = consistency_proof(old, len(entries), over(leaves))
        verify_consistency(old, len(entries), proof, other.get_root(old), other.get_root())


def test_every_proof_of_many_sizes_holds_and_none_holds_for_another_tree() -> None:
    leaves = [leaf_hash(bytes((index,))) for index in range(18)]
    roots = [root_of(leaves[:size]) for size in range(len(leaves) + 1)]
    for new in range(1, len(leaves) + 1):
        for old in range(new + 1):
            proof = consistency_proof(old, new, over(leaves))
            verify_consistency(old, new, proof, roots[old], roots[new])
            with pytest.raises(ProofWrong):
                verify_consistency(old, new, proof, roots[old], roots[new - 1]) if old else verify_consistency(
                    old, new, proof, roots[new], roots[new]
                )
            with pytest.raises(ProofWrong):
                verify_consistency(old, new, [*proof, roots[1]], roots[old], roots[new])
            if proof:
                with pytest.raises(ProofWrong):
                    verify_consistency(old, new, proof[:-1], roots[old], roots[new])
        for index in range(new):
            path = inclusion_proof(index, new, over(leaves))
            verify_inclusion(leaves[index], index, new, path, roots[new])
            for wrong in ([*path, roots[1]], path[:-1] if path else [roots[0]]):
                with pytest.raises(ProofWrong):
                    verify_inclusion(leaves[index], index, new, wrong, roots[new])
            if new > 1:
                with pytest.raises(ProofWrong):
                    verify_inclusion(leaves[index], (index + 1) % new, new, path, roots[new])


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=80), st.data())
def test_a_frontier_goes_on_from_its_state(leaves: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(leaves)))
    begun = Frontier()
    begun.extend(leaves[:cut])
    resumed = Frontier(begun.size, begun.nodes)
    resumed.extend(leaves[cut:])
    assert (resumed.size, resumed.root()) == (len(leaves), root_of(leaves))


def test_a_state_that_is_no_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="2 complete subtrees"):
        Frontier(3, [bytes(32)])
    with pytest.raises(ValueError, match="2 complete subtrees"):
        Frontier(3, [bytes(32), bytes(31)])


def test_what_does_not_exist_is_not_proved() -> None:
    with pytest.raises(ValueError, match="no leaf 8"):
        inclusion_proof(8, 8, over(LEAVES))
    with pytest.raises(ValueError, match="cannot begin"):
        consistency_proof(8, 7, over(LEAVES))
    with pytest.raises(ProofWrong):
        verify_inclusion(LEAVES[0], 0, 0, [], EMPTY_ROOT)
    with pytest.raises(ProofWrong):
        verify_consistency(8, 7, [], bytes(32), bytes(32))
    with pytest.raises(ProofWrong):
        verify_consistency(3, 7, [], bytes(32), bytes(32))
