"""hansa verify: an honest directory agrees, and one changed thing anywhere in it is named.

The chain is made here, by one validator that signs what executing gives; then one row of its database is changed.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import executor
from contracts.genesis_state import GenesisState, write_genesis
from contracts.kernel import layout
from contracts.kernel.layout import Row
from contracts.reads import Reads
from node import testnet, verification
from node.chain import Chain
from node.home import Home
from node.keystore import Purpose, read_key
from p2p.bulk import DecidedBlock
from state import codec, transaction
from state.block import Block, make_block
from state.digest import NO_DIGEST
from state.errors import Corrupt, Invalid, Reason
from state.overlay import Overlay
from state.store import Database
from state.votes import Checkpoint, Commit
from tests.node.made_chain import Maker

HEIGHTS = 4


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    genesis = testnet.make(tmp_path, testnet.seats(1, 1, 20_000), name="trial")
    home = Home(tmp_path / "alpina")
    return Maker(home, genesis, read_key(home.vote_key, Purpose.VOTE), read_key(home.account_key, Purpose.ACCOUNT))


@pytest.fixture
def made(maker: Maker) -> Maker:
    for height in range(1, HEIGHTS + 1):
        maker.add([maker.call("create", ["USD"])] if height < 3 else [])
    return maker


def ignore(height: int, last: int) -> None:
    pass


def corrupt(home: Home) -> str:
    with pytest.raises(Corrupt) as caught:
        verification.verify(home, ignore)
    sentence = str(caught.value)
    assert sentence.endswith(
        "Keep this directory as evidence, and let the node fetch the chain from its peers into a new one."
    )
    return sentence.partition(" Keep")[0]


def change(database: Database, key: bytes, edit: Callable[[list[codec.Value]], None]) -> None:
    """Change the value of one row."""
    row = database.get_verified(key)
    assert row is not None
    value = codec.unpack(row)
    assert isinstance(value, list)
    edit(value)
    database.write({key: codec.pack(value)}, sync=True)


def height_key(kind: bytes, height: int) -> bytes:
    return kind + height.to_bytes(8, "big")


def test_an_honest_directory_agrees(made: Maker) -> None:
    made.close()
    told: list[tuple[int, int]] = []
    found = verification.verify(made.home, lambda height, last: told.append((height, last)))
    assert found == verification.Verified(
        chain_id=made.genesis.chain_id,
        height=HEIGHTS,
        block_digest=made.chain.digest,
        state_root=made.executor.world.root,
        transactions=2,
        failed=1,
        signatures=2 + HEIGHTS + (HEIGHTS - 1) + HEIGHTS,
        checkpoints=HEIGHTS,
        certified_height=HEIGHTS,
        state_height=HEIGHTS,
    )
    assert told == [(height, HEIGHTS) for height in range(1, HEIGHTS + 1)]


def test_the_directory_is_left_as_it_was(made: Maker) -> None:
    made.close()
    before = {path: path.read_bytes() for path in made.home.path.rglob("*") if path.is_file()}
    verification.verify(made.home, ignore)
    assert before == {path: path.read_bytes() for path in made.home.path.rglob("*") if path.is_file()}


def test_a_chain_that_has_not_begun(maker: Maker) -> None:
    maker.close()
    found = verification.verify(maker.home, ignore)
    assert (found.height, found.state_height, found.state_root) == (0, 0, maker.executor.world.root)


def test_a_directory_without_a_chain(tmp_path: Path) -> None:
    testnet.make(tmp_path, testnet.seats(1, 1, 20_000), name="trial")
    with pytest.raises(Invalid) as caught:
        verification.verify(Home(tmp_path / "alpina"), ignore)
    assert caught.value.reason is Reason.UNKNOWN


def flip(value: codec.Value) -> bytes:
    assert isinstance(value, bytes)
    return value[:-1] + bytes([value[-1] ^ 1])


def forge_signature_in_body(value: list[codec.Value]) -> None:
    (encoded,) = value[2]  # type: ignore[misc,union-attr]
    value[2] = [flip(encoded)]


def forge_commit(value: list[codec.Value]) -> None:
    certificate = value[1]
    assert isinstance(certificate, list)
    certificate[1] = [[0, flip(certificate[1][0][1])]]


def drop_signers(value: list[codec.Value]) -> None:
    certificate = value[1]
    assert isinstance(certificate, list)
    certificate[1] = []


@pytest.mark.parametrize(
    ("kind", "height", "edit", "sentence"),
    [
        (b"b", 1, forge_signature_in_body, "Height 1: bad_block: the bodies are not those that the block lists."),
        (
            b"b",
            3,
            forge_commit,
            "Height 3: a certificate does not hold: bad_signature: the signature of validator 0 does not match.",
        ),
        (
            b"b",
            3,
            drop_signers,
            "Height 3: a certificate does not hold: no_quorum: 0 signers, a quorum is 1.",
        ),
        (
            b"c",
            2,
            lambda value: value.__setitem__(1, [[0, bytes(64)]]),
            "Height 2: a certificate does not hold: bad_signature: the signature of validator 0 does not match.",
        ),
    ],
)
def test_one_changed_row(
    made: Maker, kind: bytes, height: int, edit: Callable[[list[codec.Value]], None], sentence: str
) -> None:
    change(made.database, height_key(kind, height), edit)
    made.close()
    assert corrupt(made.home) == sentence


@pytest.mark.parametrize(("at", "name"), [(0, "state_root"), (1, "receipts_root")])
def test_another_outcome_than_was_noted(made: Maker, at: int, name: str) -> None:
    change(made.database, height_key(b"x", 2), lambda value: value.__setitem__(at, bytes(32)))
    made.close()
    assert corrupt(made.home).startswith(f"Height 2: {name}: the node noted 0x{bytes(32).hex()}, 0x")


@pytest.mark.parametrize("field", ["state_root", "receipts_root", "validators_digest", "block_digest"])
def test_a_quorum_that_certified_something_else(made: Maker, field: str) -> None:
    vote = made.chain.checkpoint(2).vote  # type: ignore[union-attr]
    assert isinstance(vote, Checkpoint)
    made.chain.put_checkpoint(made.certified(replace(vote, **{field: bytes(32)})))
    made.close()
    assert corrupt(made.home).startswith(f"Height 2: {field}: 0x{bytes(32).hex()} is certified, 0x")


def test_another_parent(made: Maker) -> None:
    block = replace_header(made, made.block([]), parent=bytes([7]) * 32)
    made.chain.digest = block.header.parent
    made.certificate = made.certified(Commit(block.height - 1, 0, block.header.parent))
    made.add([], block)
    made.close()
    assert corrupt(made.home) == "Height 5: the block does not name the block before as its parent."


def replace_header(maker: Maker, block: Block, parent: bytes) -> Block:
    return make_block(
        chain_id=block.header.chain_id,
        height=block.height,
        parent=parent,
        parent_certificate=maker.certified(Commit(block.height - 1, 0, parent)),
        timestamp_ms=block.header.timestamp_ms,
        proposer=block.header.proposer,
        entries=block.entries,
        validators_digest=block.header.validators_digest,
    )


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("timestamp_ms", 1, "Height 5: its time 1 does not lie above its parent's"),
        ("proposer", bytes(32), "Height 5: its proposer is no validator of that height."),
        ("validators_digest", NO_DIGEST, "Height 5: the block names other validators than the state does."),
    ],
)
def test_a_header_that_breaks_a_rule(made: Maker, field: str, value: object, sentence: str) -> None:
    block = made.block([])
    header = replace(block.header, **{field: value})  # type: ignore[arg-type]
    parts = {name: getattr(header, name) for name in header.__dataclass_fields__ if name not in LEFT_OUT}
    made.add([], make_block(entries=[], **parts))
    made.close()
    assert corrupt(made.home).startswith(sentence)


LEFT_OUT = ("protocol_version", "transaction_root")


def test_a_signature_that_is_wrong_although_the_block_lists_it(made: Maker) -> None:
    good = made.call("create", ["EUR"])
    made.add([transaction.assemble(good.body, [flip(good.signatures[0])])])
    made.close()
    assert corrupt(made.home) == f"Height 5: a signature of transaction {good.id.hex()} does not match."


def test_a_transaction_that_was_executed_before(made: Maker) -> None:
    decided = made.chain.decided(1)
    assert decided is not None
    again = transaction.decode(decided.transactions[0])
    block = made.block([again])
    certificate = made.certified(Commit(block.height, 0, block.digest))
    made.chain.append(block, certificate, [again.encoded], b"")
    made.close()
    assert corrupt(made.home) == f"Height 5: transaction {again.id.hex()} was executed before."


def test_a_block_in_the_place_of_another(made: Maker) -> None:
    decided = made.chain.decided(2)
    assert isinstance(decided, DecidedBlock)
    made.database.write({height_key(b"b", 3): codec.pack(decided.to_value())}, sync=True)
    made.close()
    assert corrupt(made.home) == "Height 3: the chain holds block 2 in its place."


def test_a_world_state_of_another_history(made: Maker) -> None:
    made.executor.world.commit(HEIGHTS + 1, NO_DIGEST, {b"money": b"from nowhere"})
    made.close()
    assert (
        corrupt(made.home)
        == f"Height {HEIGHTS}: the world state is of height {HEIGHTS + 1}, where the chain has no block."
    )
    made.state = Database.open(made.home.state)
    made.database = Database.open(made.home.chain)
    made.chain = Chain(made.database, made.home.anchor)
    made.certificate = made.certified(Commit(HEIGHTS, 0, made.chain.digest))
    block = made.block([])
    made.chain.append(block, made.certified(Commit(block.height, 0, block.digest)), [], b"")
    made.close()
    assert corrupt(made.home).startswith(f"Height {HEIGHTS + 1}: state_root: the node's own state has 0x")


def test_a_chain_that_lost_its_end(made: Maker) -> None:
    made.chain.sync()
    meta = codec.pack([HEIGHTS - 1, made.chain.decided(HEIGHTS - 1).block.digest, b""])  # type: ignore[union-attr]
    made.database.write({height_key(b"b", HEIGHTS): None, b"m": meta}, sync=True)
    made.database.close()
    made.state.close()
    assert corrupt(made.home) == f"Height {HEIGHTS}: the anchor names a block here, and the chain holds nothing."


def test_a_state_that_breaks_a_promise_is_unsound_whoever_agrees_on_it(
    made: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bug at every node: the roots agree, and what it did to the money is found."""
    monkeypatch.setattr(Reads, "faults", lambda self: iter([f"fault {number}" for number in range(9)]))
    with pytest.raises(Corrupt) as caught:
        verification.verify(made.home, ignore)
    assert str(caught.value) == (
        f"Height {HEIGHTS}: the state is unsound: fault 0; fault 1; fault 2; fault 3; fault 4. Every node that "
        "executes this chain comes to the same state, so this is a defect of the code: stop the network, and keep this "
        "directory."
    )


def test_a_kernel_that_makes_money_is_found(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def add_balance(overlay: Overlay[Row], genesis: GenesisState) -> None:
        write_genesis(overlay, genesis)
        overlay.put(layout.balance_key("nobody", "USD.alpina"), (7, 0))

    monkeypatch.setattr(executor, "write_genesis", add_balance)
    maker: Maker = request.getfixturevalue("maker")
    maker.add([])
    maker.close()
    with pytest.raises(Corrupt) as caught:
        verification.verify(maker.home, ignore)
    assert "the state is unsound: there is a balance of nobody, which is no account; " in str(caught.value)
