"""What members vote: motions, fees and who bears them, the quota, and paused contracts."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.genesis_state import GenesisMember, GenesisState
from contracts.kernel import fees, freezes, layout, ledger, parameters, pauses, subjects, votes
from contracts.kernel.layout import TariffRow
from contracts.records import decode_row
from state.codec import INT_MAX, Value
from state.parameters import VOTED, ChainParameters
from state.policy import Policy
from state.receipt import Receipt
from state.transaction import Transaction
from tests.contracts.network import BLOCK_MS, PARAMETERS, SALT, Chain, Desk, address_of, genesis_state, key_of
from tests.contracts.sources import ESCROW, MANY_HOLDS, NOTES
from tests.contracts.test_accounts import keys, pay

ANN, BOB, CID, ALPINE = map(address_of, ("ann", "bob", "cid", "alpine"))
HOUR_MS = 3_600_000
GovernedCall = tuple[str, str, list[Value]]


def last(chain: Chain) -> Receipt:
    return chain.results[-1].receipts[-1]


def voting(count: int) -> GenesisState:
    """The usual network, with so many validating banks in all."""
    genesis = genesis_state([("notes", NOTES), ("escrow", ESCROW)])
    more = tuple(
        GenesisMember(
            name, name, f"{name.upper():0<20}".replace("_", "0"), "CH", "bank",
            Policy.of_key(key_of(name).public), SALT, key_of(name + " vote").public, None,
        )
        for name in (f"bank_{number}" for number in range(count - 2))
    )  # fmt: skip
    return replace(genesis, members=(*genesis.members, *more))


@pytest.fixture
def four() -> Chain:
    """A furnished chain of four validating banks."""
    return Chain.start(voting(4)).furnish()


def motion(chain: Chain, subject: str, texts: list[Value], numbers: list[Value], by: str = "alpine") -> str:
    """Move, give the id."""
    call: GovernedCall = ("governance", "propose", [subject, texts, numbers, chain.time_ms + HOUR_MS])
    assert chain.send(by, call) == "ok", last(chain)
    return str(last(chain).results[0])


def vote(chain: Chain, name: str, by: str, agrees: bool = True) -> str:
    return chain.send(by, ("governance", "vote", [name, agrees]))


def decide(chain: Chain, subject: str, texts: list[Value], numbers: list[Value]) -> str:
    """Have a motion pass on the chain of two."""
    name = motion(chain, subject, texts, numbers)
    assert vote(chain, name, "baltic") == "ok", last(chain)
    assert last(chain).results == ("passed",)
    return name


def tariff(chain: Chain) -> list[Value]:
    found = chain.reads.query("governance", "tariff", []).value
    assert isinstance(found, list)
    return list(found)


# ---------------------------------------------------------------------------------------------------------- votes


def test_a_motion_passes_with_more_than_two_thirds(four: Chain) -> None:
    name = motion(four, "fee", ["USD"], [5, 1_000])
    assert vote(four, name, "baltic") == "ok"
    assert last(four).results == ("open",)
    shown = four.reads.query("governance", "show", [name]).value
    assert shown == ["fee", ["USD"], [5, 1_000], "alpine", four.time_ms - BLOCK_MS * 2 + HOUR_MS, "open",
                     [["alpine", True], ["baltic", True]], 4]  # fmt: skip
    assert four.reads.query("governance", "open_motions", []).value == [name]
    assert tariff(four) == ["", 0, 0, 0]
    assert vote(four, name, "bank_1") == "ok"
    assert last(four).results == ("passed",)
    assert [event.name for event in last(four).events] == ["voted", "decided", "fee_set"]
    assert tariff(four) == ["USD", 5, 1_000, 0]
    assert vote(four, name, "bank_0") == "motion_closed"
    assert four.reads.query("governance", "open_motions", []).value == []


@pytest.mark.parametrize(
    ("count", "votes_for", "votes_against", "status"),
    [
        (2, 1, 0, "open"), (2, 2, 0, "passed"), (2, 1, 1, "rejected"),
        (3, 2, 0, "open"), (3, 3, 0, "passed"), (3, 2, 1, "rejected"),
        (4, 2, 1, "open"), (4, 3, 1, "passed"), (4, 1, 2, "rejected"),
        (6, 4, 1, "open"), (6, 5, 0, "passed"), (6, 4, 2, "rejected"),
        (7, 5, 0, "passed"), (7, 4, 2, "open"), (7, 1, 3, "rejected"),
    ],
)  # fmt: skip
def test_what_two_thirds_are(count: int, votes_for: int, votes_against: int, status: str) -> None:
    chain = Chain.start(voting(count)).furnish()
    names = ["alpine", "baltic", *(f"bank_{number}" for number in range(count - 2))]
    name = motion(chain, "quota", [], [PARAMETERS.transaction_fuel_max])
    cast = [True] * (votes_for - 1) + [False] * votes_against
    for number, agrees in enumerate(reversed(cast) if status == "passed" else cast, 1):
        assert vote(chain, name, names[number], agrees) == "ok"
    shown = chain.reads.query("governance", "show", [name]).value
    assert isinstance(shown, list)
    assert (shown[5], tariff(chain)[3] > 0) == (status, status == "passed")


@pytest.mark.parametrize(
    ("by", "call", "code"),
    [
        ("ann", ("propose", ["fee", ["USD"], [1, 1], 1_700_000_100_000]), "not_a_voter"),
        ("central", ("propose", ["fee", ["USD"], [1, 1], 1_700_000_100_000]), "not_a_voter"),
        ("alpine", ("propose", ["fee", ["USD"], [1, 1], 1_700_000_001_000]), "bad_motion"),
        ("alpine", ("propose", ["fee", ["USD"], [1, 1], 1_800_000_001_000]), "bad_motion"),
        ("alpine", ("propose", ["fee", ["XXX"], [1, 1], 1_700_000_100_000]), "unknown_currency"),
        ("alpine", ("propose", ["fee", ["USD"], [1], 1_700_000_100_000]), "bad_motion"),
        ("alpine", ("propose", ["fee", [], [1, 1], 1_700_000_100_000]), "bad_motion"),
        ("alpine", ("propose", ["fee", ["USD"], [-1, 1], 1_700_000_100_000]), "bad_motion"),
        ("alpine", ("propose", ["fee", ["USD"], [1, subjects.FEE_MAX + 1], 1_700_000_100_000]), "bad_motion"),
        ("alpine", ("propose", ["quota", [], [1], 1_700_000_100_000]), "bad_motion"),
        ("alpine", ("propose", ["quota", [], [(2**100).to_bytes(33, "big")], 1_700_000_100_000]), "bad_motion"),
        ("alpine", ("propose", ["quota", [], [0], (2**100).to_bytes(33, "big")]), "bad_motion"),
        ("alpine", ("propose", ["war", [], [], 1_700_000_100_000]), "bad_motion"),
        ("alpine", ("propose", ["resume", ["payments"], [], 1_700_000_100_000]), "not_paused"),
        ("alpine", ("vote", ["none", True]), "unknown_motion"),
        ("central", ("vote", ["none", True]), "not_a_voter"),
    ],
)
def test_what_can_be_moved_and_by_whom(chain: Chain, by: str, call: tuple[str, list[Value]], code: str) -> None:
    assert chain.send(by, ("governance", *call)) == code


def test_one_vote_a_member(four: Chain) -> None:
    name = motion(four, "fee", ["USD"], [5, 0])
    assert vote(four, name, "alpine") == "already_voted"
    assert vote(four, name, "baltic", agrees=False) == "ok"
    assert vote(four, name, "baltic") == "already_voted"
    # Another member's key on the transaction is not that member's vote.
    assert four.send("bank_0", ("governance", "vote", [name, True]), signers=["bank_0", "bank_1"]) == "ok"
    shown = four.reads.query("governance", "show", [name]).value
    assert isinstance(shown, list)
    assert shown[5:7] == ["open", [["alpine", True], ["baltic", False], ["bank_0", True]]]


def test_motions_are_bounded_for_each_member_and_expire(four: Chain) -> None:
    transactions = [
        four.transaction("alpine", ("governance", "propose", ["quota", [], [0], four.time_ms + HOUR_MS]))
        for _ in range(votes.OPEN_MAX + 1)
    ]
    receipts = four.block(*transactions).receipts
    assert [receipt.code for receipt in receipts] == ["ok"] * votes.OPEN_MAX + ["too_many_motions"]
    motion(four, "quota", [], [0], by="baltic")
    four.time_ms += 2 * HOUR_MS
    first = str(receipts[0].results[0])
    assert vote(four, first, "baltic") == "motion_closed"
    motion(four, "quota", [], [0])
    shown = four.reads.query("governance", "show", [first]).value
    assert isinstance(shown, list)
    assert shown[5] == "expired"
    opened = four.reads.query("governance", "open_motions", []).value
    assert isinstance(opened, list)
    assert len(opened) == 1


def test_a_member_whose_keys_were_rotated_votes_with_the_new_ones_by_proposal_too(four: Chain) -> None:
    assert four.send("baltic", ("accounts", "rotate_keys", [keys("maker", "checker"), 2])) == "ok"
    name = motion(four, "fee", ["USD"], [5, 0])
    assert vote(four, name, "baltic") == "unauthorised"
    assert four.send("baltic", ("governance", "vote", [name, True]), signers=["maker", "checker"]) == "ok"


def test_members_let_a_paused_contract_go_on(chain: Chain) -> None:
    overlay = chain.executor.overlay()
    pauses.pause(overlay, "notes", "sound", 1)
    # A contract is paused by its own broken invariant; here the row is written as that would.
    row = overlay.get(layout.paused_key("notes"))
    assert row is not None
    desk = Desk.start()
    desk.overlay.put(layout.paused_key("spender"), row)
    scope = desk.scope("alpine", sender="alpine")
    name = votes.move(scope, "resume", ["spender"], [], desk.time_ms + 1)
    assert votes.vote(desk.scope("baltic", sender="baltic"), name, True) == "passed"
    assert not pauses.is_paused(desk.overlay, "spender")


def test_votes_of_who_validates_no_more_do_not_count(four: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    name = motion(four, "fee", ["USD"], [5, 0])
    assert vote(four, name, "baltic") == "ok"
    monkeypatch.setattr(votes, "_voters", lambda scope: ("baltic", "bank_0", "bank_1"))
    assert vote(four, name, "alpine") == "not_a_voter"
    assert vote(four, name, "bank_0") == "ok"
    assert last(four).results == ("open",)
    assert vote(four, name, "bank_1") == "ok"
    assert last(four).results == ("passed",)


# ----------------------------------------------------------------------------------------------------------- fees


def fee_of(receipt: Receipt) -> dict[str, Value]:
    (event,) = [event for event in receipt.events if event.name == "fee"]
    assert event.contract == "ledger"
    return dict(event.fields)


def cost(row: TariffRow, fuel: int) -> int:
    """Said again, plainly: the base, and a part of the price for a million, rounded up."""
    return row[1] + (row[2] * fuel + 999_999) // 1_000_000


def test_without_a_vote_nobody_pays(chain: Chain) -> None:
    assert chain.send("ann", pay("bob", 100)) == "ok"
    assert chain.balance("ann", "USD.alpine") == 9_900
    assert [event.name for event in last(chain).events] == ["journal"]


def test_a_payer_pays_its_bank_for_the_fuel_it_spent(chain: Chain) -> None:
    decide(chain, "fee", ["USD"], [5, 2_000])
    assert chain.send("ann", pay("bob", 100), fuel_limit=200_000) == "ok"
    amount = cost(("USD", 5, 2_000, 0), last(chain).fuel_used)
    assert 5 < amount < 405
    assert fee_of(last(chain)) == {
        "contract": "", "payer": ANN, "asset": "USD.alpine", "amount": amount,
        "legs": [["USD.alpine", ANN, -amount], ["USD.alpine", ALPINE, amount]],
    }  # fmt: skip
    assert chain.balance("ann", "USD.alpine") == 9_900 - amount
    assert chain.balance("bob", "USD.alpine") == 10_100
    assert chain.balance("alpine", "USD.alpine") == amount
    assert chain.reads.history(ALPINE)[0][0].transaction_id == last(chain).transaction_id
    assert all(audit.is_sound for audit in chain.reads.audit())
    # A statement has the fee as it has any other movement.
    lines = chain.reads.statement(ANN, "USD.alpine", 0, chain.time_ms + 1)
    assert lines.closing == 9_900 - amount


@pytest.mark.parametrize(
    ("call", "limit", "code"),
    [
        (("notes", "deny", ["no"]), 200_000, "denied"),
        (("notes", "spin", []), 200_000, "out_of_fuel"),
        (("nothing", "pay", []), 200_000, "unknown_contract"),
        (pay("bob", 10_000), 200_000, "insufficient_funds"),
        (pay("bob", 1), 1, "out_of_fuel"),
    ],
)
def test_calls_that_fail_pay(call: GovernedCall, limit: int, code: str) -> None:
    chain = Chain.start(voting(2)).furnish()
    decide(chain, "fee", ["USD"], [5, 1_000])
    assert chain.send("ann", call, fuel_limit=limit) == code
    amount = cost(("USD", 5, 1_000, 0), last(chain).fuel_used)
    assert [event.name for event in last(chain).events] == ["fee"]
    assert (chain.balance("ann", "USD.alpine"), chain.balance("alpine", "USD.alpine")) == (10_000 - amount, amount)
    assert all(audit.is_sound for audit in chain.reads.audit())


def test_no_call_spends_the_fee_away(chain: Chain) -> None:
    """The fee of the whole limit is out of reach while the calls run; what was not spent comes back."""
    decide(chain, "fee", ["USD"], [10, 1_000])
    assert chain.send("ann", pay("bob", 9_990), fuel_limit=1_000_000) == "insufficient_funds"
    assert chain.balance("ann", "USD.alpine") < 9_990
    left = chain.balance("ann", "USD.alpine")
    assert chain.send("ann", pay("bob", left - 1_010), fuel_limit=1_000_000) == "ok"
    assert chain.balance("ann", "USD.alpine") == 1_010 - cost(("USD", 10, 1_000, 0), last(chain).fuel_used)


def test_who_cannot_pay_is_charged_nothing_and_nothing_runs(chain: Chain) -> None:
    decide(chain, "fee", ["USD"], [1, 1_000_000])
    root = chain.executor.world.root
    assert chain.send("ann", pay("bob", 1), fuel_limit=10_000) == "fee_unpaid"
    assert (last(chain).fuel_used, last(chain).events, last(chain).results) == (0, (), ())
    assert chain.executor.world.root == root
    assert chain.send("ann", pay("bob", 1), fuel_limit=5_000) == "out_of_fuel"
    assert chain.balance("ann", "USD.alpine") == 4_999


def test_a_bank_that_has_no_money_of_that_currency_collects_none(chain: Chain) -> None:
    decide(chain, "fee", ["JPY"], [1, 0])
    assert chain.send("ann", pay("bob", 1)) == "fee_unpaid"
    assert "JPY.alpine" in last(chain).message
    # Members pay nothing, so what they voted they can always vote away.
    assert chain.send("alpine", ("bank_money", "create", ["JPY"])) == "ok"
    decide(chain, "fee", ["JPY"], [0, 0])
    assert chain.send("ann", pay("bob", 1)) == "ok"
    assert chain.executor.overlay().get(layout.TARIFF) is None


def test_unauthorised_and_late_transactions_pay_nothing(chain: Chain) -> None:
    decide(chain, "fee", ["USD"], [5, 0])
    assert chain.send("ann", pay("bob"), signers=["bob"]) == "unauthorised"
    assert chain.send("ann", pay("bob"), valid_until_ms=1) == "expired"
    assert chain.balance("ann", "USD.alpine") == 10_000


def test_the_fuel_payer_pays_if_its_keys_agree(chain: Chain) -> None:
    decide(chain, "fee", ["USD"], [5, 0])
    assert chain.send("ann", pay("bob"), fuel_payer=CID) == "unauthorised"
    assert chain.send("ann", pay("bob"), fuel_payer=CID, signers=["ann", "cid"]) == "ok"
    assert fee_of(last(chain))["payer"] == CID
    assert (chain.balance("cid", "USD.baltic"), chain.balance("baltic", "USD.baltic")) == (9_995, 5)
    assert chain.send("ann", pay("bob"), fuel_payer=ALPINE, signers=["ann", "alpine"]) == "ok"
    assert [event.name for event in last(chain).events] == ["journal"]
    assert chain.balance("ann", "USD.alpine") == 9_998


@pytest.mark.parametrize(
    ("by", "account", "code"),
    [
        ("alpine", ANN, "ok"),
        ("baltic", ANN, "account_unauthorised"),
        ("ann", ANN, "account_unauthorised"),
        ("alpine", ALPINE, "account_unauthorised"),
        ("alpine", "nobody", "unknown_account"),
    ],
)
def test_a_bank_gives_its_word_for_its_customers_fees(chain: Chain, by: str, account: str, code: str) -> None:
    assert chain.send(by, ("accounts", "sponsor", [account])) == code
    decide(chain, "fee", ["USD"], [5, 0])
    assert chain.send("ann", pay("bob")) == "ok"
    assert chain.balance("ann", "USD.alpine") == (9_999 if code == "ok" else 9_994)
    if code == "ok":
        assert chain.reads.query("accounts", "is_sponsored", [ANN]).value is True
        assert chain.send("ann", ("accounts", "withdraw_sponsor", [ANN])) == "account_unauthorised"
        assert chain.send("alpine", ("accounts", "withdraw_sponsor", [ANN])) == "ok"
        assert chain.send("ann", pay("bob")) == "ok"
        assert chain.balance("ann", "USD.alpine") == 9_993


def test_money_that_a_freeze_keeps_pays_no_fee(desk: Desk) -> None:
    scope = desk.scope("alpine")
    fees.set_tariff(desk.overlay, ("USD", 5, 0, 0))
    ledger.mint(desk.scope("alpine"), "USD.alpine", ANN, 100, "deposit", "")
    row = fees.tariff(desk.overlay)
    assert row is not None
    charge = fees.reserve(scope, row, ANN, 1_000, is_dry_run=False)
    assert charge is not None
    charge.collect(10)
    before = desk.overlay.get(layout.balance_key(ANN, "USD.alpine"))
    freezes.add(desk.scope(), ANN, (1, "", freezes.SEND, 0, 0), is_asset=False)
    with pytest.raises(Exception, match="fee_unpaid"):
        fees.reserve(desk.scope(), row, ANN, 1_000, is_dry_run=False)
    assert desk.overlay.get(layout.balance_key(ANN, "USD.alpine")) == before == (95, 0)


def test_a_fee_takes_what_holds_past_their_expiry_reserve() -> None:
    chain = Chain.start(voting(2)).furnish()
    soon = chain.time_ms + 10 * BLOCK_MS
    assert chain.send("ann", ("escrow", "hold", ["USD.alpine", BOB, 10_000, soon])) == "ok"
    decide(chain, "fee", ["USD"], [5, 0])
    assert chain.send("ann", pay("bob")) == "fee_unpaid"
    chain.time_ms += 10 * BLOCK_MS
    assert chain.send("ann", ("notes", "deny", ["no"])) == "denied"
    assert [event.name for event in last(chain).events] == ["hold_expired", "fee"]
    assert chain.balance("ann", "USD.alpine") == 9_995
    assert all(audit.is_sound for audit in chain.reads.audit())


@pytest.mark.parametrize(("base", "code", "released"), [(2_000, "ok", 20), (5_000, "fee_unpaid", 0)])
def test_a_fee_looks_at_no_more_holds_than_it_can_pay_for(base: int, code: str, released: int) -> None:
    """Releasing thousands of holds in no transaction's fuel would be a way to stop a block."""
    lots = MANY_HOLDS.replace("ctx.sender, 1, to", "ctx.sender, 100, to")
    chain = Chain.start(genesis_state([("lots", lots)])).furnish()
    assert chain.send("ann", ("lots", "hold", ["USD.alpine", BOB, 100, chain.time_ms + 10 * BLOCK_MS])) == "ok"
    decide(chain, "fee", ["USD"], [base, 0])
    chain.time_ms += 10 * BLOCK_MS
    root = chain.executor.world.root
    assert chain.send("ann", ("accounts", "withdraw_grant", ["payments"])) == code
    assert sum(event.name == "hold_expired" for event in last(chain).events) == released
    assert (chain.executor.world.root == root) == (code == "fee_unpaid")
    assert all(audit.is_sound for audit in chain.reads.audit())
    # Anybody may have them released, here somebody whose bank bears the fee.
    assert chain.send("alpine", ("accounts", "sponsor", [ANN])) == "ok"
    assert chain.send("ann", pay("bob", 7_000)) == "ok"


def test_a_dry_run_says_what_the_fee_would_be(chain: Chain) -> None:
    body = replace(chain.body("ann", pay("bob")), keys=((1, key_of("ann").public),), fuel_limit=100_000_000)
    assert chain.reads.simulate(body).fee is None
    decide(chain, "fee", ["USD"], [5, 10_000])
    found = chain.reads.simulate(body)
    # The limit of a dry run would cost a million: only what was spent counts.
    amount = cost(("USD", 5, 10_000, 0), found.receipt.fuel_used)
    assert found.fee == fees.Fee(ANN, "USD.alpine", amount, 5, 10_000)
    assert found.receipt.code == "ok"
    assert chain.send("ann", pay("bob"), fuel_limit=found.receipt.fuel_used) == "ok"
    assert fee_of(last(chain))["amount"] == amount
    assert chain.reads.simulate(replace(body, sender=ALPINE, keys=())).fee is None
    decide(chain, "fee", ["USD"], [20_000, 0])
    found = chain.reads.simulate(body)
    assert (found.receipt.code, found.fee) == ("fee_unpaid", None)


def test_fees_never_pass_an_integer() -> None:
    row: TariffRow = ("USD", subjects.FEE_MAX, subjects.FEE_MAX, 0)
    assert fees.cost(row, PARAMETERS.transaction_fuel_max) <= INT_MAX
    assert fees.cost(("USD", 0, 1, 0), 1) == 1
    assert fees.cost(("USD", 0, 1, 0), 0) == 0
    assert fees.cost(("USD", 7, 1_000_000, 0), 3) == 10


# ---------------------------------------------------------------------------------------------------------- quota

LIMIT = 40_000_000
QUOTA = 100_000_000


def transfers(chain: Chain, *names: str) -> list[Transaction]:
    return [chain.transaction(name, pay("bob" if name != "bob" else "ann"), fuel_limit=LIMIT) for name in names]


def test_over_the_quota_the_id_is_used_and_nobody_charged(chain: Chain) -> None:
    decide(chain, "quota", [], [QUOTA])
    decide(chain, "fee", ["USD"], [5, 0])
    result = chain.block(*transfers(chain, "ann", "bob", "ann", "cid", "alpine", "bob", "baltic", "cid"))
    codes = [receipt.code for receipt in result.receipts]
    assert codes == ["ok", "ok", "quota", "ok", "quota", "quota", "ok", "quota"]
    assert [receipt.fuel_used for receipt in result.receipts if receipt.code == "quota"] == [0] * 4
    over = result.receipts[2]
    assert (over.events, over.results) == ((), ())
    assert chain.balance("alpine", "USD.alpine") == 10
    # The next block begins anew.
    assert [receipt.code for receipt in chain.block(*transfers(chain, "ann", "bob", "ann")).receipts] == [
        "ok", "ok", "quota",
    ]  # fmt: skip


def test_what_has_no_authority_uses_up_nobodys_quota(chain: Chain) -> None:
    decide(chain, "quota", [], [QUOTA])
    stolen = [chain.transaction("ann", pay("bob"), signers=["cid"], fuel_limit=LIMIT) for _ in range(4)]
    result = chain.block(*stolen, *transfers(chain, "ann", "bob"))
    assert [receipt.code for receipt in result.receipts] == ["unauthorised"] * 4 + ["ok", "ok"]


def test_the_fuel_payers_bank_is_whose_quota_it_is(chain: Chain) -> None:
    decide(chain, "quota", [], [QUOTA])
    paid = [
        chain.transaction("ann", pay("bob"), fuel_payer=CID, signers=["ann", "cid"], fuel_limit=LIMIT) for _ in range(3)
    ]
    result = chain.block(*paid, *transfers(chain, "ann", "cid"))
    assert [receipt.code for receipt in result.receipts] == ["ok", "ok", "quota", "ok", "quota"]


def test_a_dry_run_has_a_block_of_its_own(chain: Chain) -> None:
    decide(chain, "quota", [], [QUOTA])
    chain.block(*transfers(chain, "ann", "bob"))
    assert chain.reads.simulate(chain.body("ann", pay("bob"))).receipt.code == "ok"


# ---------------------------------------------------------------------------------------------------- properties


@dataclass
class Members:
    """The model: what the members decided, in sets and sums."""

    count: int
    tariff: TariffRow = ("", 0, 0, 0)
    opened: dict[str, tuple[TariffRow, int, dict[str, bool]]] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return ["alpine", "baltic", *(f"bank_{number}" for number in range(self.count - 2))]

    def settle(self, name: str) -> None:
        row, _, ballots = self.opened[name]
        agreed, refused = sum(ballots.values()), len(ballots) - sum(ballots.values())
        if agreed * 3 > self.count * 2:
            self.tariff = (*row[:3], self.tariff[3])
            self.closed[name] = "passed"
        elif (self.count - refused) * 3 <= self.count * 2:
            self.closed[name] = "rejected"
        if name in self.closed:
            del self.opened[name]


def play(data: st.DataObject) -> None:
    """Members move and vote, customers pay each other, all at random; chain and model agree, money is conserved."""
    model = Members(data.draw(st.integers(2, 5), label="members"))
    chain = Chain.start(voting(model.count)).furnish()
    if data.draw(st.booleans(), label="fees from the start"):
        row: TariffRow = ("USD", data.draw(st.integers(0, 50)), data.draw(st.sampled_from((1, 100, 10_000))), 0)
        name = motion(chain, "fee", ["USD"], list(row[1:3]))
        assert {vote(chain, name, member) for member in model.names[1:]} <= {"ok", "motion_closed"}
        model.tariff, model.closed[name] = row, "passed"
        compare(chain, model)
    for _ in range(data.draw(st.integers(3, 12), label="steps")):
        kind = data.draw(st.sampled_from(("move", "vote", "vote", "vote", "pay", "pay", "wait")), label="kind")
        by = data.draw(st.sampled_from(model.names), label="by")
        now_ms = chain.time_ms + BLOCK_MS
        if kind == "wait":
            chain.block(time_ms=chain.time_ms + HOUR_MS // 2)
        elif kind == "move":
            base, price = data.draw(st.integers(0, 50)), data.draw(st.sampled_from((0, 100, 10_000)))
            own = [entry for entry in model.opened.values() if next(iter(entry[2])) == by and now_ms < entry[1]]
            expires_ms = chain.time_ms + HOUR_MS
            code = chain.send(by, ("governance", "propose", ["fee", ["USD"], [base, price], expires_ms]))
            assert code == ("ok" if len(own) < votes.OPEN_MAX else "too_many_motions")
            if code == "ok":
                name = str(last(chain).results[0])
                model.opened[name] = ("USD", base, price, 0), expires_ms, {by: True}
                model.settle(name)
        elif kind == "vote" and model.opened:
            name = data.draw(st.sampled_from(sorted(model.opened)), label="motion")
            agrees = data.draw(st.booleans(), label="agrees")
            _, expires_ms, ballots = model.opened[name]
            code = vote(chain, name, by, agrees)
            expected = "motion_closed" if now_ms >= expires_ms else "already_voted" if by in ballots else "ok"
            assert code == expected
            if code == "ok":
                ballots[by] = agrees
                model.settle(name)
        elif kind == "pay":
            customer(chain, model, data)
        compare(chain, model)


def customer(chain: Chain, model: Members, data: st.DataObject) -> None:
    """One payment of a customer; the fee is the model's to the last cent."""
    payer = data.draw(st.sampled_from(("ann", "bob")), label="payer")
    amount = data.draw(st.sampled_from((1, 500, 9_000)), label="amount")
    limit = data.draw(st.sampled_from((1_000, 100_000, 1_000_000)), label="limit")
    other = "bob" if payer == "ann" else "ann"
    before = {name: chain.balance(name, "USD.alpine") for name in (payer, other, "alpine")}
    code = chain.send(payer, pay(other, amount), fuel_limit=limit)
    base, price = model.tariff[1:3]
    most = base + -(-price * limit // 1_000_000)
    if before[payer] < most:
        assert code == "fee_unpaid"
        paid = 0
    else:
        paid = base + -(-price * last(chain).fuel_used // 1_000_000)
        assert code == (
            "out_of_fuel" if limit == 1_000 else "ok" if before[payer] - most >= amount else "insufficient_funds"
        )
    moved = amount if code == "ok" else 0
    assert chain.balance(payer, "USD.alpine") == before[payer] - moved - paid
    assert chain.balance(other, "USD.alpine") == before[other] + moved
    assert chain.balance("alpine", "USD.alpine") == before["alpine"] + paid


def compare(chain: Chain, model: Members) -> None:
    """The tariff, each motion's status, and every asset sound by a walk over the whole state."""
    row = chain.executor.overlay().get(layout.TARIFF)
    assert row == (model.tariff if any(model.tariff[1:]) else None)
    for name, status in model.closed.items():
        found = chain.executor.overlay().get(layout.motion_key(name))
        assert found is not None
        assert found[5] == status
    for audit in chain.reads.audit():
        assert audit.is_sound, audit
    for key, data in chain.reads.state_items():
        if key.startswith(b"balance/"):
            assert all(isinstance(part, int) and part >= 0 for part in decode_row(data))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_members_and_customers_do_as_the_model_says(data: st.DataObject) -> None:
    play(data)


@pytest.mark.parametrize("planted", ["half is enough", "votes count twice", "rounded down", "nothing comes back"])
def test_planted_bugs_are_caught(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if planted == "half is enough":
        original = votes._voters
        monkeypatch.setattr(votes, "_voters", lambda scope: original(scope)[:-1])
    elif planted == "votes count twice":
        count = votes._count
        monkeypatch.setattr(votes, "_count", lambda scope, name, row: count(scope, name, (*row[:6], row[6] * 2)))
    elif planted == "rounded down":
        monkeypatch.setattr(fees, "cost", lambda row, fuel: row[1] + row[2] * fuel // 1_000_000)
    else:
        collect = fees.Charge.collect
        monkeypatch.setattr(fees.Charge, "collect", lambda charge, fuel: collect(charge, charge._scope.meter.fuel))

    @settings(
        max_examples=300,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        play(data)

    with pytest.raises((AssertionError, ExceptionGroup)):
        run()


# ---------------------------------------------------------------------------------------------------- parameters


def test_a_parameter_is_in_force_eight_heights_later(four: Chain) -> None:
    name = motion(four, "parameter", ["schedule_calls_max"], [7])
    assert vote(four, name, "baltic") == vote(four, name, "bank_0") == "ok"
    decided_height = four.executor.world.height
    lag = PARAMETERS.execution_lag
    overlay = four.executor.overlay()
    changed = replace(PARAMETERS, schedule_calls_max=7)
    assert parameters.ahead(overlay) == ((decided_height + lag, changed),)
    other = motion(four, "parameter", ["block_fuel_max"], [150_000_000])
    assert vote(four, other, "baltic") == vote(four, other, "bank_0") == "ok"
    second_height = four.executor.world.height
    while four.executor.world.height < decided_height + lag - 1:
        four.block()
    assert parameters.in_force(four.executor.overlay()) == PARAMETERS
    four.block()
    assert parameters.in_force(four.executor.overlay()) == changed
    assert parameters.ahead(four.executor.overlay()) == (
        (second_height + lag, replace(changed, block_fuel_max=150_000_000)),
    )
    while four.executor.world.height < second_height + lag:
        four.block()
    assert parameters.ahead(four.executor.overlay()) == ()
    assert four.executor.overlay().get(layout.PARAMETERS_AHEAD) is None
    assert parameters.in_force(four.executor.overlay()).block_fuel_max == 150_000_000


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("execution_lag", 9, "bad_motion"),
        ("clock_bound_ms", 1, "bad_motion"),
        ("address_prefix", 1, "bad_motion"),
        ("nothing", 1, "bad_motion"),
        ("order_approvals", 0, "bad_motion"),
        ("order_approvals", 17, "bad_motion"),
        ("order_approvals", 2, "ok"),
        ("recovery_delay_ms", 0, "ok"),
        ("identity_level_min", 10, "bad_motion"),
        ("block_transactions_max", 0, "bad_motion"),
        ("block_transactions_max", 4_001, "bad_motion"),
        ("block_fuel_max", 50_000_000, "bad_motion"),
        ("transaction_fuel_max", 1_000_000_001, "bad_motion"),
        ("transaction_fuel_max", 10_000_000, "ok"),
    ],
)
def test_which_parameters_can_be_voted(chain: Chain, name: str, value: int, code: str) -> None:
    call: GovernedCall = ("governance", "propose", ["parameter", [name], [value], chain.time_ms + HOUR_MS])
    assert chain.send("alpine", call) == code


def test_the_quota_lets_the_largest_transaction_through_whatever_is_voted(chain: Chain) -> None:
    decide(chain, "quota", [], [PARAMETERS.transaction_fuel_max])
    call: GovernedCall = (
        "governance", "propose", ["parameter", ["transaction_fuel_max"], [PARAMETERS.transaction_fuel_max + 1],
                                  chain.time_ms + HOUR_MS],
    )  # fmt: skip
    assert chain.send("alpine", call) == "bad_motion"


def test_every_bound_that_can_be_voted_makes_a_chain_that_a_document_can_found() -> None:
    for name, bounds in VOTED.items():
        for value in bounds:
            assert ChainParameters.from_document({name: value}) == replace(ChainParameters(), **{name: value})
