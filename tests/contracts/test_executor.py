"""Blocks through the executor: what becomes of a transaction, and that nothing else does."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import executor as executor_module
from contracts.executor import Executor
from contracts.kernel import ledger
from contracts.kernel.scope import Scope
from contracts.library import NAMES
from contracts.reads import Reads
from contracts.records import encoded_receipt
from state import merkle
from state.codec import Value
from state.errors import Invalid
from state.receipt import Receipt, receipts_root
from state.store import Database
from state.transaction import Call, sign
from state.world import World
from tests.contracts.network import BLOCK_MS, CHAIN_ID, PARAMETERS, Chain, address_of, genesis_state, key_of
from tests.contracts.sources import ESCROW, KEEPER, MANY_HOLDS, NOTES

ROOT = Path(__file__).parent.parent.parent
ANN, BOB, CID = map(address_of, ("ann", "bob", "cid"))


@pytest.fixture
def noted() -> Chain:
    """A furnished chain with the contracts of sources.py."""
    return Chain.start(genesis_state([("notes", NOTES), ("escrow", ESCROW)])).furnish()


def pay(to: str, amount: int, reference: str = "") -> tuple[str, str, list[Value]]:
    return ("payments", "pay", [address_of(to), "USD", amount, reference])


def last(chain: Chain) -> Receipt:
    return chain.results[-1].receipts[-1]


def test_a_payment_within_a_bank(chain: Chain) -> None:
    assert chain.send("ann", pay("bob", 250, "rent")) == "ok"
    assert (chain.balance("ann", "USD.alpine"), chain.balance("bob", "USD.alpine")) == (9_750, 10_250)
    (event,) = last(chain).events
    assert (event.contract, event.name) == ("ledger", "journal")
    assert dict(event.fields) == {
        "contract": "payments",
        "purpose": "payment",
        "reference": "rent",
        "legs": [["USD.alpine", ANN, -250], ["USD.alpine", BOB, 250]],
    }
    assert last(chain).results == (None,)


def test_a_payment_across_banks_is_one_journal(chain: Chain) -> None:
    assert chain.send("ann", pay("cid", 250)) == "ok"
    assert chain.balance("ann", "USD.alpine") == 9_750
    assert chain.balance("cid", "USD.baltic") == 10_250
    assert chain.balance("alpine", "USD.central") == 49_750
    assert chain.balance("baltic", "USD.central") == 50_250
    assert len(last(chain).events) == 1
    assert {audit.asset: audit.supply for audit in chain.reads.audit()} == {
        "JPY.central": 0,
        "USD.alpine": 19_750,
        "USD.baltic": 10_250,
        "USD.central": 100_000,
    }
    assert all(audit.is_sound for audit in chain.reads.audit())


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (pay("bob", 10_001), "insufficient_funds"),
        (pay("bob", 0), "amount_out_of_range"),
        (pay("bob", -1), "argument"),
        (pay("nobody", 1), "unknown_account"),
        (pay("bob", 1, "r" * 141), "bad_reference"),
        (("payments", "pay", [BOB, "EUR", 1, ""]), "unknown_asset"),
        (("payments", "pay", [BOB, "USD", 1]), "argument_count"),
        (("payments", "pay", [BOB, "USD", "1", ""]), "argument"),
        (("payments", "pay", [BOB, "USD", None, ""]), "argument"),
        (("payments", "pay", [[[[]]], "USD", 1, ""]), "argument"),
        (("payments", "steal", []), "method"),
        (("payments", "pay_across", []), "method"),
        (("nothing", "pay", []), "unknown_contract"),
        (("bank_money", "mint", ["USD", [[ANN, 5]], ""]), "not_a_member"),
        (("bank_money", "withdraw", ["USD", 100, ""]), "ok"),
        (("bank_money", "withdraw", ["USD", 10_001, ""]), "insufficient_funds"),
        (("accounts", "grant", ["payments"]), "ok"),
        (("accounts", "grant", ["nothing"]), "unknown_contract"),
        (("accounts", "register", [[[b"k" * 32, b"s" * 16]]]), "not_a_bank"),
        (("members", "role", ["alpine"]), "ok"),
        (("members", "role", ["nobody"]), "unknown_member"),
    ],
)
def test_what_a_call_comes_to(chain: Chain, call: tuple[str, str, list[Value]], code: str) -> None:
    before = chain.balance("ann", "USD.alpine")
    assert chain.send("ann", call) == code
    if code != "ok":
        assert chain.balance("ann", "USD.alpine") == before
        assert last(chain).events == ()
        assert last(chain).message


def test_a_bank_without_settlement_money_cannot_pay_out(chain: Chain) -> None:
    settle: tuple[str, str, list[Value]] = ("payments", "settle", [address_of("baltic"), "USD", 49_900, ""])
    assert chain.send("alpine", settle) == "ok"
    assert chain.send("ann", pay("cid", 100)) == "ok"
    assert chain.send("ann", pay("cid", 1)) == "insufficient_settlement"
    assert chain.send("ann", pay("bob", 1)) == "ok"


def test_the_settlement_agent_issues_redeems_and_cancels(chain: Chain) -> None:
    assert chain.send("alpine", ("bank_money", "issue", ["USD", address_of("alpine"), 1, ""])) == "not_the_agent"
    assert chain.send("central", ("bank_money", "issue", ["USD", ANN, 1, ""])) == "not_a_member"
    assert chain.send("alpine", ("bank_money", "redeem", ["USD", 20_000, ""])) == "ok"
    assert chain.send("central", ("bank_money", "cancel", ["USD", 20_000, ""])) == "ok"
    assert chain.reads.query("bank_money", "supply", ["USD.central"]).value == 80_000


def test_a_bank_registers_in_batches(chain: Chain) -> None:
    names = [f"customer {index}" for index in range(500)]
    customers: list[Value] = [[key_of(name).public, b"s" * 16] for name in names]
    assert chain.send("alpine", ("accounts", "register", [customers])) == "ok"
    assert last(chain).results == ([address_of(name) for name in names],)
    deposits: list[Value] = [[address_of(name), 5] for name in names]
    assert chain.send("alpine", ("bank_money", "mint", ["USD", deposits, ""])) == "ok"
    assert chain.reads.account(address_of("customer 499")).bank == "alpine"
    assert chain.send("alpine", ("bank_money", "mint", ["USD", [[CID, 5]], ""])) == "not_a_customer"


@pytest.mark.parametrize(
    ("signers", "changes", "code"),
    [
        (["ann"], {}, "ok"),
        (["ann", "bob"], {}, "ok"),
        (["bob"], {}, "unauthorised"),
        (["stranger"], {}, "unauthorised"),
        (["ann"], {"fuel_payer": BOB}, "unauthorised"),
        (["ann", "bob"], {"fuel_payer": BOB}, "ok"),
        (["ann"], {"fuel_payer": address_of("nobody")}, "unknown_account"),
        (["ann"], {"sender": address_of("nobody")}, "unknown_account"),
        (["ann"], {"fuel_limit": 0}, "out_of_fuel"),
        (["ann"], {"fuel_limit": 3_000}, "out_of_fuel"),
    ],
)
def test_authority_is_judged_at_the_transactions_turn(
    chain: Chain, signers: list[str], changes: dict[str, object], code: str
) -> None:
    body = replace(chain.body("ann", pay("bob", 100)), **changes)  # type: ignore[arg-type]
    transaction = sign(body, [key_of(name) for name in signers])
    receipt = chain.block(transaction).receipts[0]
    assert (receipt.transaction_id, receipt.code) == (transaction.id, code)
    assert chain.balance("bob", "USD.alpine") == (10_100 if code == "ok" else 10_000)
    mine = [entry.transaction_id for entry in chain.reads.history(ANN)[0]]
    assert (transaction.id in mine) == (code in ("ok", "out_of_fuel"))
    if code in ("unauthorised", "unknown_account"):
        assert receipt.fuel_used == 0
    if code == "out_of_fuel":
        assert receipt.fuel_used == body.fuel_limit


def test_no_sender_writes_into_the_history_of_another(chain: Chain) -> None:
    before = chain.reads.history(ANN)
    body = replace(chain.body("ann", pay("bob", 1)), sender=ANN + "/" + "\x00" * 12)
    assert chain.block(sign(body, [key_of("ann")])).receipts[0].code == "unknown_account"
    assert chain.reads.history(ANN) == before


def test_time_is_the_blocks(chain: Chain) -> None:
    until = chain.time_ms + 10
    late = chain.transaction("ann", pay("bob", 1), valid_until_ms=until)
    just = chain.transaction("ann", pay("bob", 1), valid_until_ms=until)
    assert chain.block(just, time_ms=until).receipts[0].code == "ok"
    receipt = chain.block(late, time_ms=until + 1).receipts[0]
    assert (receipt.code, receipt.fuel_used) == ("expired", 0)


def test_another_interface_is_refused(chain: Chain) -> None:
    body = chain.body("ann", pay("bob", 1))
    call = replace(body.calls[0], interface=2)
    receipt = chain.block(sign(replace(body, calls=(call,)), [key_of("ann")])).receipts[0]
    assert (receipt.code, receipt.message) == ("interface_mismatch", "payments has interface 1, not 2")


def test_calls_happen_all_or_none(chain: Chain) -> None:
    assert chain.send("ann", pay("bob", 100), pay("cid", 10), pay("bob", 9_891)) == "insufficient_funds"
    assert (chain.balance("ann", "USD.alpine"), chain.balance("cid", "USD.baltic")) == (10_000, 10_000)
    assert last(chain).events == ()
    assert chain.send("ann", pay("bob", 100), pay("bob", 100)) == "ok"
    assert chain.balance("bob", "USD.alpine") == 10_200
    assert len(last(chain).events) == len(last(chain).results) == 2


def test_a_later_transaction_sees_the_earlier_ones_of_its_block(chain: Chain) -> None:
    result = chain.block(
        chain.transaction("ann", pay("bob", 10_000)),
        chain.transaction("bob", pay("cid", 20_000)),
        chain.transaction("ann", pay("bob", 1)),
    )
    assert [receipt.code for receipt in result.receipts] == ["ok", "ok", "insufficient_funds"]


def test_an_id_never_executes_twice_in_a_block(chain: Chain) -> None:
    transaction = chain.transaction("ann", pay("bob", 1))
    with pytest.raises(AssertionError, match="an id executes at most once"):
        chain.block(transaction, transaction)
    chain.block(transaction)
    assert chain.balance("bob", "USD.alpine") == 10_001


def test_a_foreign_chain_never_gets_here(chain: Chain) -> None:
    transaction = chain.transaction("ann", pay("bob", 1), chain_id=b"\x22" * 32)
    with pytest.raises(AssertionError, match="another chain"):
        chain.block(transaction)
    with pytest.raises(Invalid, match="wrong_chain"):
        chain.reads.simulate(transaction.body)


def test_what_a_contract_stores_emits_and_returns(noted: Chain) -> None:
    wide: Value = (2**200).to_bytes(33, "big", signed=True)
    assert noted.send("ann", ("notes", "write", ["wide", [wide]])) == "ok"
    assert noted.reads.query("notes", "read", ["wide"]).value == [wide]
    assert noted.send("ann", ("notes", "write", ["a", [1, -2, 2**63, -(2**63) + 1]])) == "ok"
    assert last(noted).results == (2,)
    (event,) = last(noted).events
    assert (event.contract, event.name, event.fields) == ("notes", "written", (("name", "a"), ("by", ANN)))
    assert noted.reads.query("notes", "read", ["a"]).value == [1, -2, 2**63, -(2**63) + 1]
    assert noted.send("bob", ("notes", "forget", ["a"])) == "ok"
    assert noted.reads.query("notes", "read", ["a"]).code == "key"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("notes", "spin", []), "out_of_fuel"),
        (("notes", "deny", ["why"]), "denied"),
        (("notes", "pretend", ["all"]), "fault"),
        (("notes", "deepen", [0]), "ok"),
        (("notes", "deepen", [1]), "too_large"),
        (("notes", "ungrant", ["payments", "x/y"]), "ok"),
        (("notes", "steal", ["USD.alpine", BOB, 10]), "debit_unauthorised"),
        (("notes", "relay", ["notes", "write", "x"]), "reentrant"),
        (("notes", "relay", ["nothing", "write", "x"]), "unknown_contract"),
        (("notes", "relay", ["accounts", "grant", "escrow"]), "account_unauthorised"),
        (("notes", "relay", ["accounts", "grant", "nothing"]), "account_unauthorised"),
        (("notes", "flood", [4_000]), "too_large"),
        (("notes", "write", ["k" * 2_000, []]), "length"),
    ],
)
def test_what_goes_wrong_in_a_contract_stays_there(
    noted: Chain, call: tuple[str, str, list[Value]], code: str
) -> None:
    root = noted.executor.world.root
    assert noted.send("ann", call, fuel_limit=20_000_000) == code
    if code != "ok":
        assert noted.executor.world.root == root
        assert last(noted).events == ()
    assert noted.send("ann", pay("bob", 1)) == "ok"


@pytest.mark.parametrize(("method", "least"), [("put", 2_000), ("take", 2_000), ("tell", 1_000)])
def test_what_a_block_keeps_is_paid_for(method: str, least: int) -> None:
    chain = Chain.start(genesis_state([("keeper", KEEPER)])).furnish()
    used = []
    for count in (1, 1_000):
        if method == "take":
            assert chain.send("ann", ("keeper", "put", [count])) == "ok"
        assert chain.send("ann", ("keeper", method, [count])) == "ok"
        used.append(last(chain).fuel_used)
    assert used[1] - used[0] > 999 * least


def test_a_contracts_event_is_never_the_ledgers(noted: Chain) -> None:
    assert noted.send("ann", ("notes", "forge", [ANN])) == "ok"
    assert [(event.contract, event.name) for event in last(noted).events] == [("notes", "journal")]
    page = noted.reads.events((0, 0, 0), contract="ledger", name="journal")
    assert all(dict(entry.event.fields)["purpose"] != "forged" for entry in page.entries)


def test_the_wrong_kind_of_error_is_ours_and_leaves_no_trace(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(executor_module, "invoke", broken)
    overlay = chain.executor.overlay()
    body = chain.transaction("ann", pay("bob", 1)).body
    with pytest.raises(KeyboardInterrupt):
        chain.executor.judge(overlay, body, b"i" * 32, 100, 9, chain.time_ms)
    assert overlay.changes() == {}


def test_a_planted_bug_stops_the_node(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ledger.move

    def generous(scope: Scope, moves: ledger.Moves, minted: dict[str, int]) -> None:
        original(scope, {place: (max(change + 1, change), held) for place, (change, held) in moves.items()}, minted)

    monkeypatch.setattr(ledger, "move", generous)
    with pytest.raises(AssertionError, match="balances and supply are 2 apart"):
        chain.send("ann", pay("bob", 1))


@pytest.mark.parametrize("call", [pay("bob", 100), pay("cid", 7), pay("bob", 10**6), ("payments", "nothing", [])])
def test_a_dry_run_is_what_then_happens(chain: Chain, call: tuple[str, str, list[Value]]) -> None:
    transaction = chain.transaction("ann", call)
    root = chain.executor.world.root
    simulation = chain.reads.simulate(transaction.body)
    assert chain.executor.world.root == root
    assert simulation.authorities == ((ANN, True),)
    assert chain.block(transaction).receipts[0] == simulation.receipt


def test_a_dry_run_without_keys_names_the_accounts_that_must_agree(chain: Chain) -> None:
    body = chain.body("ann", pay("cid", 100))
    simulation = chain.reads.simulate(body)
    assert (simulation.receipt.code, simulation.authorities) == ("ok", ((ANN, True),))
    burn: list[Value] = ["USD", [[ANN, 5], [BOB, 5]], ""]
    both = chain.body("alpine", ("bank_money", "burn", burn), fuel_payer=address_of("central"))
    simulation = chain.reads.simulate(both)
    assert simulation.receipt.code == "ok"
    assert simulation.authorities == tuple((address_of(name), True) for name in ("alpine", "ann", "bob", "central"))


def test_queries(noted: Chain) -> None:
    reads = noted.reads
    assert reads.query("members", "role", ["alpine"]).value == "bank"
    assert reads.query("members", "settlement_money", ["USD"]).value == "USD.central"
    assert reads.query("accounts", "bank", [CID]).value == "baltic"
    assert reads.query("payments", "money_of", [CID, "USD"]).value == "USD.baltic"
    assert reads.query("bank_money", "describe", ["USD.alpine"]).value == ["alpine", "deposit", "USD", 2]
    assert reads.query("notes", "who", [], sender=ANN).value == ANN
    assert reads.query("notes", "write", ["a", []]).code == "method"
    endless = reads.query("notes", "endless", [], fuel=1_000_000)
    assert (endless.code, endless.fuel_used) == ("out_of_fuel", 1_000_000)
    with pytest.raises(Invalid, match="unknown"):
        reads.query("nothing", "who", [])


def test_contracts_are_listed(chain: Chain) -> None:
    assert [info.name for info in chain.reads.contracts()] == list(NAMES)
    assert [info.name for info in chain.reads.contracts("c", 1)] == [min(name for name in NAMES if name >= "c")]
    abi, source = chain.reads.contract_abi("payments")
    assert b'"pay"' in abi
    assert source.startswith('"""Payments')
    account = chain.reads.account(chain.reads.contract("payments").address)
    assert (account.contract, account.policy, account.bank) == ("payments", None, "")


def test_an_account_with_many_expired_holds_is_read() -> None:
    noted = Chain.start(genesis_state([("many", MANY_HOLDS)])).furnish()
    expires_ms = noted.time_ms + 10 * BLOCK_MS
    for _ in range(3):
        assert noted.send("bob", ("many", "hold", ["USD.alpine", ANN, 1_200, expires_ms])) == "ok"
    assert noted.balance("bob", "USD.alpine") == 6_400
    noted.block(time_ms=expires_ms)
    root = noted.executor.world.root
    assert noted.balance("bob", "USD.alpine") == 10_000
    assert noted.reads.query("bank_money", "balance", ["USD.alpine", BOB]).value == 10_000
    assert noted.executor.world.root == root
    assert noted.send("ann", pay("bob", 1)) == "ok"
    assert noted.send("bob", pay("ann", 6_500)) == "ok"
    assert noted.balance("bob", "USD.alpine") == 3_501
    assert all(entry.is_sound for entry in noted.reads.audit())


def test_history_is_paged_newest_first(chain: Chain) -> None:
    sent = [chain.transaction("ann", pay("bob", amount)) for amount in (1, 2, 3, 10**9)]
    chain.block(*sent[:2])
    chain.block(*sent[2:])
    entries, cursor = chain.reads.history(ANN, None, 3)
    assert [entry.transaction_id for entry in entries] == [sent[index].id for index in (3, 2, 1)]
    older, end = chain.reads.history(ANN, cursor, 100)
    assert [(entry.height, entry.index) for entry in older] == [(3, 0), (1, 2)]
    assert end is None
    assert [entry.transaction_id for entry in chain.reads.history(BOB)[0][:3]] == [sent[i].id for i in (2, 1, 0)]
    with pytest.raises(Invalid, match="malformed"):
        chain.reads.history(ANN, b"x")


def test_events_are_read_from_a_cursor(noted: Chain) -> None:
    noted.block(noted.transaction("ann", pay("bob", 1), ("notes", "write", ["a", []]), pay("cid", 2)))
    noted.block(noted.transaction("ann", pay("bob", 10**9)), noted.transaction("bob", ("notes", "write", ["b", []])))
    everything = noted.reads.events((0, 0, 0), 1_000)
    assert everything.complete
    assert everything.next_cursor == (5, 0, 0)
    cursor, collected = (0, 0, 0), []
    while True:
        page = noted.reads.events(cursor, 1, scan_max=2)
        collected += page.entries
        cursor = page.next_cursor
        if page.complete:
            break
    assert tuple(collected) == everything.entries
    written = noted.reads.events((0, 0, 0), contract="notes", name="written").entries
    assert [(entry.height, entry.index, entry.event_index) for entry in written] == [(3, 0, 1), (4, 1, 0)]
    of_cid = noted.reads.events((3, 0, 0), account=CID).entries
    assert [(entry.height, entry.index, entry.event_index) for entry in of_cid] == [(3, 0, 2)]


def test_receipts_and_events_are_proven(chain: Chain) -> None:
    result = chain.block(*[chain.transaction("ann", pay("bob", amount), pay("cid", 1)) for amount in range(1, 8)])
    assert receipts_root(result.receipts) == result.receipts_root == chain.reads.result(result.height).receipts_root
    for index in range(7):
        proven = chain.reads.receipt_proof(result.height, index)
        assert proven.receipt == result.receipts[index]
        leaf = proven.receipt.encode()
        assert encoded_receipt(result.receipts[index])[0] == leaf
        merkle.verify_inclusion(result.receipts_root, leaf, index, proven.count, proven.proof)
        with pytest.raises(Invalid, match="bad_proof"):
            merkle.verify_inclusion(result.receipts_root, leaf + b"x", index, proven.count, proven.proof)
    events = [event.encode() for event in result.receipts[3].events]
    assert merkle.root(events) in result.receipts[3].encode()
    merkle.verify_inclusion(merkle.root(events), events[1], 1, 2, merkle.inclusion_proof(events, 1))
    with pytest.raises(Invalid, match="unknown"):
        chain.reads.receipt_proof(result.height, 7)


def test_results_and_roots_by_height(chain: Chain) -> None:
    chain.send("ann", pay("bob", 1))
    chain.send("ann", pay("bob", 10**9))
    for result in chain.results:
        assert chain.reads.state_root(result.height) == result.state_root
        row = chain.reads.result(result.height)
        assert (row.block_digest, row.count, row.fuel_used) == (
            result.block_digest,
            len(result.receipts),
            result.fuel_used,
        )
    assert chain.reads.result(4).failed_count == 1
    assert [validator.member for validator in chain.results[-1].next_validators.validators] == ["alpine", "baltic"]
    with pytest.raises(Invalid, match="unknown"):
        chain.reads.validators(4 + 9)


def test_a_restart_goes_on_from_the_disk(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "world", create=True)
    on_disk = Chain.start(genesis_state(), database).furnish()
    in_memory = Chain.start(genesis_state()).furnish()
    assert on_disk.send("ann", pay("cid", 5)) == in_memory.send("ann", pay("cid", 5)) == "ok"
    database.close()
    executor = Executor(World.open(Database.open(tmp_path / "world")), CHAIN_ID, PARAMETERS)
    resumed = Chain(executor, Reads(executor), on_disk.time_ms, on_disk.count)
    for chain in (resumed, in_memory):
        assert chain.send("cid", pay("ann", 6)) == "ok"
    assert resumed.executor.world.root == in_memory.executor.world.root
    assert resumed.results[-1] == in_memory.results[-1]


def test_genesis_is_written_once(chain: Chain) -> None:
    with pytest.raises(AssertionError, match="genesis comes first"):
        chain.executor.apply_genesis(genesis_state())


def test_a_refused_contract_stops_genesis() -> None:
    with pytest.raises(Invalid) as refused:
        Chain.start(genesis_state([("bad", "import os\n")]))
    assert refused.value.reason == "bad_genesis"
    assert refused.value.detail.startswith("the contract bad is refused: 1:")


PROGRAM = """
from tests.contracts.network import Chain, genesis_state, address_of
from tests.contracts.sources import NOTES
chain = Chain.start(genesis_state([("notes", NOTES)])).furnish()
for amount in range(1, 30):
    for payer, payee in (("ann", "bob"), ("bob", "cid"), ("cid", "ann")):
        pay = ("payments", "pay", [address_of(payee), "USD", amount * 37, str(amount)])
        chain.send(payer, pay, ("notes", "write", [payer, [amount]]))
print(chain.executor.world.root.hex(), chain.results[-1].receipts_root.hex())
"""


def test_the_hash_seed_changes_nothing() -> None:
    printed = set()
    for seed in ("0", "1", "4242"):
        command = [sys.executable, "-c", PROGRAM]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        printed.add(done.stdout)
    assert len(printed) == 1


def test_calls_of_a_body_are_left_as_they_were(chain: Chain) -> None:
    body = chain.body("ann", pay("bob", 1))
    before = [Call(call.contract, call.interface, call.method, list(call.arguments)) for call in body.calls]
    chain.reads.simulate(body)
    assert list(body.calls) == before


def test_an_empty_block_changes_no_state(chain: Chain) -> None:
    root = chain.executor.world.root
    result = chain.block()
    assert (result.receipts, result.receipts_root, result.state_root) == ((), merkle.EMPTY_ROOT, root)
    assert chain.reads.result(result.height).count == 0


def test_a_bank_that_grants_nothing_pays_nobody_out() -> None:
    chain = Chain.start(genesis_state(grants=())).furnish()
    assert chain.send("ann", pay("cid", 5)) == "debit_unauthorised"
    assert chain.send("alpine", ("accounts", "grant", ["payments"])) == "ok"
    assert chain.send("ann", pay("cid", 5)) == "ok"
    assert chain.send("alpine", ("accounts", "withdraw_grant", ["payments"])) == "ok"
    assert chain.send("ann", pay("cid", 5)) == "debit_unauthorised"
