"""Four validators and an observer, whole nodes in one process: from a submitted payment to its proofs."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.events import Halt
from contracts.kernel import schedule
from node import ceremony, verification
from node.home import Home
from node.seams import Failed
from rpc.backend import Cause, EventFilter, Refused, Submitted, TransactionStatus
from state import merkle
from state.errors import Corrupt, Invalid, StorageFailure
from state.proof import verify_proof
from state.votes import Checkpoint
from tests.node.network import Network, until


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    running = await Network.start(tmp_path)
    yield running
    await running.stop()


async def refusal(answer: object) -> str:
    with pytest.raises(Invalid) as caught:
        await answer  # type: ignore[misc]
    return str(caught.value)


async def test_a_payment_from_its_submission_to_its_proofs(network: Network) -> None:
    await network.furnish("alpina", "ann", "bob")
    alpina, observer = network.nodes["alpina"], network.nodes["meridian"]
    payment = network.payment("ann", "bob", 500)
    assert await network.settle(alpina, payment) == "ok"
    validators = network.genesis.validators()
    for node in network.nodes.values():
        fact = await node.queries.wait_transaction(payment.id, 10_000)
        assert (fact.status, fact.encoded) == (TransactionStatus.FINAL, payment.encoded)
        shown = await node.queries.receipt_proof(payment.id)
        checkpoint = shown.certificate.vote
        assert isinstance(checkpoint, Checkpoint)
        shown.certificate.check(validators, network.genesis.chain_id)
        leaf = shown.receipt.encode()
        merkle.verify_inclusion(checkpoint.receipts_root, leaf, shown.index, shown.count, shown.proof)
        for name, amount in (("ann", 9_500), ("bob", 10_500)):
            address = network.customer(name)[1]
            account = await node.queries.account(address, None, 10)
            assert [(balance.asset, balance.amount) for balance in account.balances] == [("USD.alpina", amount)]
        proven = await node.queries.balance_proof(network.customer("ann")[1], "USD.alpina")
        proven.certificate.check(validators, network.genesis.chain_id)
        assert isinstance(proven.certificate.vote, Checkpoint)
        verify_proof(proven.certificate.vote.state_root, proven.key, proven.value, proven.proof)
        absent = await node.queries.state_proof(b"balance/nobody/USD.alpina")
        assert isinstance(absent.certificate.vote, Checkpoint)
        verify_proof(absent.certificate.vote.state_root, absent.key, None, absent.proof)
    (again,) = await alpina.intake.submit_many([payment.encoded])
    assert again == Submitted(payment.id, TransactionStatus.FINAL)
    (refused,) = await observer.intake.submit_many([payment.encoded])
    assert refused == Refused(
        "not_a_validator", "this node is an observer and takes no transactions; send them to a validator"
    )


async def test_what_the_door_refuses(network: Network) -> None:
    await network.furnish("alpina", "ann", "bob")
    node = network.nodes["borealis"]
    key, ann = network.customer("ann")
    good = network.payment("ann", "bob", 1)
    spoilt = good.encoded[:-1] + bytes([good.encoded[-1] ^ 1])
    foreign = network.transaction(key, ann, "payments", "pay", [], chain_id=bytes(32))
    late = network.transaction(key, ann, "payments", "pay", [], valid_until_ms=1)
    far = network.transaction(key, ann, "payments", "pay", [], valid_until_ms=2**62)
    answers = await node.intake.submit_many([b"rubbish", spoilt, foreign.encoded, late.encoded, far.encoded])
    assert [answer.reason for answer in answers if isinstance(answer, Refused)] == [
        "bad_version",
        "bad_signature",
        "wrong_chain",
        "expired",
        "too_far_ahead",
    ]
    overdraft = network.payment("ann", "bob", 99_999)
    assert await network.settle(node, overdraft) == "insufficient_funds"
    assert (await node.queries.transaction(overdraft.id)).status is TransactionStatus.FAILED
    (answer,) = await node.intake.submit_many([overdraft.encoded])
    assert answer == Submitted(overdraft.id, TransactionStatus.FAILED)


async def test_what_can_be_asked(network: Network) -> None:
    await network.furnish("alpina", "ann", "bob")
    node = network.nodes["deltahaven"]
    await until(lambda: not node.not_ready() and len(node.links.linked) == 4, "ready and linked with all")
    await until(lambda: node.driver.executed_height >= 3, "what was settled at another node is final here")
    fact = await node.queries.node()
    assert (fact.member, fact.role, fact.peers, fact.not_ready) == ("deltahaven", "validator", 4, ())
    block = await node.queries.block(None)
    assert 3 <= block.block.height <= block.latest_height
    assert (await node.queries.block_by_digest(block.block.digest)).block == block.block
    assert (await node.queries.block(block.block.height)).block == block.block
    await until(lambda: node.chain.checkpoint(1) is not None, "certified")
    checkpoint = await node.queries.checkpoint(1)
    checkpoint.certificate.check(checkpoint.validators, fact.chain_id)
    assert (await node.queries.genesis()).document == (network.directory / "genesis.json").read_bytes()
    assert (await node.queries.validators(None)).validators == network.genesis.validators()
    peers = await node.queries.peers()
    assert [(peer.member, peer.role, peer.connected) for peer in peers] == [
        ("alpina", "validator", True),
        ("borealis", "validator", True),
        ("corriente", "validator", True),
        ("meridian", "observer", True),
    ]
    page = await node.queries.events(0, None, 100, EventFilter(name="journal"))
    assert [event.event.name for event in page.events] == ["journal"]
    query = await node.queries.contract_query("payments", "money_of", [network.customer("ann")[1], "USD"], None)
    assert (query.code, query.value) == ("ok", "USD.alpina")
    payment = network.payment("ann", "bob", 5)
    simulated = await node.queries.simulate(payment.body)
    assert simulated.receipt.code == "ok"
    assert (simulated.authorities, simulated.fee) == (((payment.body.sender, True),), None)
    assert (await node.queries.transaction(payment.id)).status is TransactionStatus.UNKNOWN
    waited = await node.queries.wait_transaction(bytes(32), 30)
    assert waited.status is TransactionStatus.UNKNOWN
    assert (await refusal(node.queries.block(10**9))).startswith("unknown: ")
    assert (await refusal(node.queries.block(0))).startswith("unknown: ")
    assert (await refusal(node.queries.checkpoint(10**9))).startswith("unknown: ")
    assert (await refusal(node.queries.validators(10**9))).startswith("unknown: ")
    assert (await refusal(node.queries.block_by_digest(bytes(32)))).startswith("unknown: ")
    assert (await refusal(node.queries.receipt_proof(bytes(32)))).startswith("unknown: ")
    deep: object = []
    for _ in range(20):
        deep = [deep]
    assert (await refusal(node.queries.contract_query("payments", "money_of", [deep], None))) == (  # type: ignore[list-item]
        "malformed: arguments nest deeper than 13"
    )
    text = node.metrics.text().decode()
    assert 'hansa_transactions_total{code="ok"} 3.0' in text
    assert "hansa_peers 4.0" in text


async def test_many_submissions_at_once_are_all_answered(network: Network) -> None:
    await network.furnish("alpina", "ann", "bob")
    payments = [network.payment("ann", "bob", 1) for _ in range(300)]
    nodes = network.validators
    answers = await asyncio.gather(
        *(nodes[index % 4].intake.submit_many([payment.encoded]) for index, payment in enumerate(payments))
    )
    assert [answer for (answer,) in answers] == [
        Submitted(payment.id, TransactionStatus.PENDING) for payment in payments
    ]
    observer = network.nodes["meridian"]
    facts = await asyncio.gather(*(observer.queries.wait_transaction(payment.id, 20_000) for payment in payments))
    assert {fact.status for fact in facts} == {TransactionStatus.FINAL}
    account = await observer.queries.account(network.customer("bob")[1], None, 10)
    assert account.balances[0].amount == 10_300


async def test_a_node_that_was_away_catches_up_from_its_disk_and_its_peers(network: Network) -> None:
    await network.furnish("alpina", "ann", "bob")
    await network.stop_node("corriente")
    first = network.payment("ann", "bob", 1)
    assert await network.settle(network.nodes["alpina"], first) == "ok"
    back = await network.start_node("corriente")
    fact = await back.queries.wait_transaction(first.id, 20_000)
    assert fact.status is TransactionStatus.FINAL
    second = network.payment("bob", "ann", 2)
    assert await network.settle(back, second) == "ok"
    await until(lambda: not back.not_ready(), "ready")


async def test_without_a_quorum_of_peers_a_node_is_not_ready(network: Network) -> None:
    node = network.nodes["alpina"]
    await until(lambda: not node.not_ready(), "ready")
    await network.stop_node("borealis")
    await network.stop_node("corriente")
    sentence = "no quorum of peers: linked with 1 validators, 2 are needed"
    await until(lambda: sentence in node.not_ready(), "red")


async def test_a_storage_failure_ends_the_node_and_nothing_is_acknowledged(network: Network) -> None:
    node = network.nodes["alpina"]
    node.inbox.post(Failed(StorageFailure("the disk is full")))
    ending = await asyncio.wait_for(node.ended, 1)
    assert ending is not None
    assert ending.sentence == "the disk is full"
    waiting = asyncio.create_task(node.intake.submit_many([network.by_bank("alpina", "x", "y", []).encoded]))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    waiting.cancel()


async def test_a_fault_of_our_own_ends_the_node(network: Network) -> None:
    node = network.nodes["alpina"]
    node.inbox.post("no event")  # type: ignore[arg-type]
    ending = await asyncio.wait_for(node.ended, 1)
    assert ending is not None
    assert ending.sentence.startswith("a fault in the program itself: KeyError")


async def test_after_a_halt_it_starts_only_when_a_person_has_looked(tmp_path: Path) -> None:
    network = await Network.start(tmp_path)
    await network.stop()
    (tmp_path / "alpina" / "data" / "halted.json").write_text("{}")
    with pytest.raises(Corrupt, match="this node halted because it contradicted other validators"):
        await network.start_node("alpina")


async def test_a_node_that_contradicts_a_certificate_halts_and_keeps_what_explains_it(network: Network) -> None:
    await network.furnish("alpina", "ann")
    node = network.nodes["alpina"]
    certificate = (await node.queries.checkpoint(None)).certificate
    vote = certificate.vote
    assert isinstance(vote, Checkpoint)
    node.notices.halted(Halt("its state root differs", replace(vote, state_root=bytes(32)), certificate))
    ending = await asyncio.wait_for(node.ended, 1)
    path = network.directory / "alpina" / "data" / "halted.json"
    assert ending is not None
    assert ending.sentence == (
        f"halted: its state root differs. What explains it is in {path}; keep the data directory and ask for help"
    )
    document = json.loads(path.read_text())
    assert document["reason"] == "its state root differs"
    assert document["own"][4] == "00" * 32
    assert document["other"][0][4] == vote.state_root.hex()
    assert node.not_ready()[0] == "halted: its state root differs"


REMINDER = """
from hansa import action, ctx, emit, ledger, require

@action
def remind(text: str, due_ms: int) -> int:
    return ledger.schedule("tell", text, due_ms, 100_000, 0, 0)

@action
def tell(text: str) -> None:
    require(ctx.sender == ctx.contract, "not_by_itself")
    emit("Told", text=text)
"""


async def test_a_scheduled_call_runs_by_itself_and_is_proven_like_a_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = ceremony.read_library()
    monkeypatch.setattr(ceremony, "read_library", lambda: {**library, "reminder": REMINDER})
    network = await Network.start(tmp_path, execution="process", heartbeat_ms=60_000)
    try:
        alpina = network.nodes["alpina"]
        due_ms = alpina.clock.now_ms() + 1_500
        assert await network.settle(alpina, network.by_bank("alpina", "reminder", "remind", ["rent", due_ms])) == "ok"
        identity = schedule.run_id(network.genesis.chain_id, 1, 1)
        assert (await alpina.queries.transaction(identity)).status is TransactionStatus.UNKNOWN
        for node in network.nodes.values():
            await until(lambda node=node: node.queries._latest.time_ms >= due_ms, "the run")  # type: ignore[misc]
            fact = await node.queries.transaction(identity)
            assert (fact.status, fact.cause, fact.index) == (TransactionStatus.FINAL, Cause.SCHEDULE, 0)
            assert fact.encoded is None
            assert fact.block_time_ms is not None
            assert fact.height is not None
            assert due_ms <= fact.block_time_ms < due_ms + 3_000
            block = await node.queries.block(fact.height)
            assert (block.scheduled, block.block.entries) == ((identity,), ())
            shown = await node.queries.receipt_proof(identity)
            checkpoint = shown.certificate.vote
            assert isinstance(checkpoint, Checkpoint)
            assert checkpoint.height == fact.height
            shown.certificate.check(network.genesis.validators(), network.genesis.chain_id)
            leaf = shown.receipt.encode()
            merkle.verify_inclusion(checkpoint.receipts_root, leaf, shown.index, shown.count, shown.proof)
            page = await node.queries.events(1, None, 10, EventFilter(contract="reminder"))
            assert [(entry.event.name, entry.cause, entry.transaction_id) for entry in page.events] == [
                ("Told", Cause.SCHEDULE, identity)
            ]
            assert 'hansa_scheduled_runs_total{code="ok"} 1.0' in node.metrics.text().decode()
            assert (await node.queries.contract_abi("reminder")).contract.paused is False
    finally:
        await network.stop()
    found = verification.verify(Home(tmp_path / "borealis"), lambda height, last: None)
    assert (found.transactions, found.failed) == (2, 0)
