"""Identity in tables: every status, every change of it, and who may make it."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.kernel import identity, layout, members, sealed
from contracts.kernel.codes import CODES
from contracts.kernel.layout import NEEDS_INFORMATION, REVOKED, SUBMITTED, SUSPENDED, VERIFIED, IdentityRow
from contracts.kernel.scope import Scope
from state.codec import Value
from state.transaction import Transaction
from tests.contracts.network import GENESIS_MS, Chain, Desk, address_of, code_of
from tests.contracts.sealing import (
    REGULATOR,
    add_regulator,
    keep_record,
    publish_keys,
    reader,
    reading_keys,
    seal_record,
)

ANN, BOB, CID = map(address_of, ("ann", "bob", "cid"))
YEAR_MS = 365 * 86_400_000
UNTIL_MS = GENESIS_MS + YEAR_MS
VOUCHED = (2, UNTIL_MS, "CH", "low")


def seat() -> Desk:
    """Alpine, its regulator and a foreign one, with reading keys; the record ``ann`` and a second one of hers."""
    desk = Desk.start()
    add_regulator(desk.overlay)
    add_regulator(desk.overlay, "faraway", "SG")
    publish_keys(desk, "alpine", "baltic", REGULATOR)
    return desk


def by(desk: Desk, member: str) -> Scope:
    return desk.scope(member, sender=member, contract="identity")


def brought_to(desk: Desk, status: str, word: str = "alpine") -> Desk:
    """Ann's identity in that status, the last step by that member; a second record of hers is on chain."""
    record = keep_record(by(desk, "alpine"), "alpine", ANN, 0)
    keep_record(by(desk, "alpine"), "alpine", ANN, 1)
    if status == "":
        return desk
    identity.submit(by(desk, "alpine"), ANN, record)
    if status == NEEDS_INFORMATION:
        identity.request_information(by(desk, "alpine"), ANN, "file 1")
    if status in (VERIFIED, SUSPENDED, REVOKED):
        identity.verify(by(desk, "alpine"), ANN, *VOUCHED)
    if status == SUSPENDED:
        identity.suspend(by(desk, word), ANN, "file 2")
    if status == REVOKED:
        identity.revoke(by(desk, word), ANN, "file 3")
    return desk


def row_of(desk: Desk) -> IdentityRow | None:
    return identity.identity_of(desk.scope(), ANN)


STEPS: dict[str, Callable[[Scope, str], None]] = {
    "submit": lambda scope, record: identity.submit(scope, ANN, record),
    "request": lambda scope, record: identity.request_information(scope, ANN, "file 4"),
    "verify": lambda scope, record: identity.verify(scope, ANN, *VOUCHED),
    "suspend": lambda scope, record: identity.suspend(scope, ANN, "file 5"),
    "resume": lambda scope, record: identity.resume(scope, ANN, "file 6"),
    "revoke": lambda scope, record: identity.revoke(scope, ANN, "file 7"),
}

B, R = "alpine", REGULATOR
NO = "identity_unauthorised"
TABLE: dict[tuple[str, str], tuple[str, ...]] = {
    # from (and whose word it is): what submit, request, verify, suspend, resume, revoke by the bank come to
    ("", B): (SUBMITTED, *["unknown_identity"] * 5),
    (SUBMITTED, B): (SUBMITTED, NEEDS_INFORMATION, VERIFIED, *["identity_status"] * 2, REVOKED),
    (NEEDS_INFORMATION, B): (SUBMITTED, *["identity_status"] * 4, REVOKED),
    (VERIFIED, B): (SUBMITTED, "identity_status", VERIFIED, SUSPENDED, "identity_status", REVOKED),
    (SUSPENDED, B): (*["identity_status"] * 4, VERIFIED, REVOKED),
    (SUSPENDED, R): (*["identity_status"] * 4, NO, NO),
    (REVOKED, B): (SUBMITTED, *["identity_status"] * 5),
    (REVOKED, R): (NO, *["identity_status"] * 5),
}
REGULATORS_TABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("", B): (NO, *["unknown_identity"] * 5),
    (SUBMITTED, B): (*[NO] * 3, *["identity_status"] * 2, REVOKED),
    (NEEDS_INFORMATION, B): (*[NO] * 3, *["identity_status"] * 2, REVOKED),
    (VERIFIED, B): (*[NO] * 3, SUSPENDED, "identity_status", REVOKED),
    (SUSPENDED, B): (*[NO] * 3, SUSPENDED, VERIFIED, REVOKED),
    (SUSPENDED, R): (*[NO] * 3, SUSPENDED, VERIFIED, REVOKED),
    (REVOKED, B): (*[NO] * 3, *["identity_status"] * 2, REVOKED),
    (REVOKED, R): (*[NO] * 3, *["identity_status"] * 3),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("status", "word"), TABLE)
@pytest.mark.parametrize("actor", ["alpine", REGULATOR, "baltic", "faraway", "ann"])
def test_every_step_from_every_status_by_everybody(status: str, word: str, step: str, actor: str) -> None:
    desk = brought_to(seat(), status, word)
    before = row_of(desk)
    records = [key.decode()[7:] for key in desk.overlay.changes() if key.startswith(b"sealed/")]
    place = list(STEPS).index(step)
    if actor == "alpine":
        expected = TABLE[status, word][place]
    elif actor == REGULATOR:
        expected = REGULATORS_TABLE[status, word][place]
    else:
        expected = NO if status or step == "submit" else "unknown_identity"
    came_to = code_of(lambda: STEPS[step](by(desk, actor), records[1]))
    row = row_of(desk)
    if expected in CODES:
        assert (came_to, row) == (expected, before)
        return
    assert came_to == "ok"
    assert row is not None
    assert (row[0], row[1], row[7], row[8]) == ("alpine", expected, (before[7] if before else 0) + 1, actor)
    if expected in (SUBMITTED, NEEDS_INFORMATION):
        assert row[2:6] == (0, 0, "", "")
    elif expected == VERIFIED or (before and before[1] in (VERIFIED, SUSPENDED)):
        assert row[2:6] == VOUCHED
    assert row[6] == (records[1] if step == "submit" else before[6] if before else "")


@pytest.mark.parametrize(
    ("level", "expires_ms", "jurisdiction", "risk_class", "code"),
    [
        (1, GENESIS_MS + 1, "CH", "low", "ok"),
        (9, GENESIS_MS + identity.VALID_MS_MAX, "ZW", "c" * 32, "ok"),
        (0, UNTIL_MS, "CH", "low", "bad_identity"),
        (10, UNTIL_MS, "CH", "low", "bad_identity"),
        (-1, UNTIL_MS, "CH", "low", "bad_identity"),
        (b"\1" * 33, UNTIL_MS, "CH", "low", "bad_identity"),
        (2, GENESIS_MS, "CH", "low", "bad_identity"),
        (2, 0, "CH", "low", "bad_identity"),
        (2, GENESIS_MS + identity.VALID_MS_MAX + 1, "CH", "low", "bad_identity"),
        (2, b"\1" * 33, "CH", "low", "bad_identity"),
        (2, UNTIL_MS, "XX", "low", "bad_identity"),
        (2, UNTIL_MS, "ch", "low", "bad_identity"),
        (2, UNTIL_MS, "", "low", "bad_identity"),
        (2, UNTIL_MS, "CH", "", "bad_identity"),
        (2, UNTIL_MS, "CH", "Low", "bad_identity"),
        (2, UNTIL_MS, "CH", "c" * 33, "bad_identity"),
    ],
)
def test_what_a_bank_can_vouch_for(
    level: int, expires_ms: int, jurisdiction: str, risk_class: str, code: str
) -> None:
    desk = brought_to(seat(), SUBMITTED)
    scope = by(desk, "alpine")
    assert code_of(lambda: identity.verify(scope, ANN, level, expires_ms, jurisdiction, risk_class)) == code


@pytest.mark.parametrize(
    ("account", "kind", "owner", "subject", "code"),
    [
        (ANN, "identity", "alpine", ANN, "ok"),
        (ANN, "identity", "alpine", BOB, "bad_identity"),
        (ANN, "travel_rule", "alpine", ANN, "bad_identity"),
        (CID, "identity", "alpine", CID, "identity_unauthorised"),
        (address_of("alpine"), "identity", "alpine", address_of("alpine"), "bad_identity"),
        (address_of("nobody"), "identity", "alpine", address_of("nobody"), "unknown_account"),
    ],
)
def test_the_record_is_this_banks_about_this_account(
    account: str, kind: str, owner: str, subject: str, code: str
) -> None:
    desk = seat()
    record = keep_record(by(desk, "alpine"), owner, subject, 0, kind=kind)
    assert code_of(lambda: identity.submit(by(desk, "alpine"), account, record)) == code


def test_another_banks_record_is_not_this_banks() -> None:
    desk = seat()
    record = keep_record(by(desk, "baltic"), "baltic", ANN, 0)
    assert code_of(lambda: identity.submit(by(desk, "alpine"), ANN, record)) == "bad_identity"
    assert code_of(lambda: identity.submit(by(desk, "alpine"), ANN, "00" * 32)) == "unknown_record"


def test_a_record_under_erasure_carries_no_identity() -> None:
    desk = seat()
    record = keep_record(by(desk, "alpine"), "alpine", ANN, 0)
    sealed.order_erasure(by(desk, "alpine"), record, "GDPR 17(1)(b)")
    assert code_of(lambda: identity.submit(by(desk, "alpine"), ANN, record)) == "bad_identity"


def test_a_record_that_a_living_identity_rests_on_is_not_erased() -> None:
    desk = brought_to(seat(), VERIFIED)
    record = identity.record_of(desk.scope(), ANN)
    assert code_of(lambda: sealed.order_erasure(by(desk, "alpine"), record, "GDPR 17")) == "record_in_use"
    identity.revoke(by(desk, "alpine"), ANN, "left")
    assert code_of(lambda: sealed.order_erasure(by(desk, "alpine"), record, "GDPR 17")) == "ok"


def test_without_a_regulator_at_home_all_of_them_have_a_word() -> None:
    desk = Desk.start()
    assert members.regulators_over(desk.scope(), "alpine") == ()
    for name, place in (("singapore", "SG"), ("finland", "FI")):
        add_regulator(desk.overlay, name, place)
    assert members.regulators_over(desk.scope(), "alpine") == ("finland", "singapore")
    add_regulator(desk.overlay, "zurich", "CH")
    assert members.regulators_over(desk.scope(), "alpine") == ("zurich",)


def test_keys_of_a_regulator_that_does_not_send_decide_nothing() -> None:
    desk = brought_to(seat(), VERIFIED)
    scope = desk.scope(REGULATOR, "baltic", sender="baltic", contract="identity")
    assert code_of(lambda: identity.suspend(scope, ANN, "")) == NO
    identity.suspend(desk.scope(REGULATOR, "alpine", sender="alpine", contract="identity"), ANN, "")
    row = row_of(desk)
    assert row is not None
    assert row[8] == "alpine"


def test_a_contract_called_by_another_has_no_keys() -> None:
    desk = brought_to(seat(), VERIFIED)
    scope = by(desk, "alpine")
    scope.running.append("deeper")
    assert code_of(lambda: identity.revoke(scope, ANN, "")) == NO


def test_the_event_says_all_of_it() -> None:
    desk = brought_to(seat(), SUBMITTED)
    scope = by(desk, "alpine")
    identity.verify(scope, ANN, *VOUCHED)
    record = identity.record_of(scope, ANN)
    assert [(event.contract, event.name, event.fields) for event in scope.events] == [
        (
            "ledger",
            "identity",
            (
                ("contract", "identity"),
                ("account", ANN),
                ("bank", "alpine"),
                ("status", "verified"),
                ("level", 2),
                ("expires_ms", UNTIL_MS),
                ("jurisdiction", "CH"),
                ("risk_class", "low"),
                ("record", record),
                ("version", 2),
                ("by", "alpine"),
                ("reference", ""),
            ),
        )
    ]


@pytest.mark.parametrize(("letters", "code"), [(140, "ok"), (141, "bad_reference")])
def test_references_are_bounded(letters: int, code: str) -> None:
    desk = brought_to(seat(), VERIFIED)
    assert code_of(lambda: identity.suspend(by(desk, "alpine"), ANN, "r" * letters)) == code


class Life(RuleBasedStateMachine):
    """Random steps by random members, against what a page of law would say."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.word, self.version, self.numbers = "", "", 0, 0
        self.desk = Desk.start()

    @initialize()
    def begin(self) -> None:
        add_regulator(self.desk.overlay)
        publish_keys(self.desk, "alpine", REGULATOR, count=64)

    @rule(step=st.sampled_from(list(STEPS)), actor=st.sampled_from(["alpine", REGULATOR, "baltic"]))
    def act(self, step: str, actor: str) -> None:
        record = ""
        if step == "submit" and self.numbers < 64:
            record = keep_record(by(self.desk, "alpine"), "alpine", ANN, self.numbers)
            self.numbers += 1
        if code_of(lambda: STEPS[step](by(self.desk, actor), record)) != "ok":
            return
        assert actor != "baltic"
        assert actor == "alpine" or step in ("suspend", "resume", "revoke")
        if self.word == REGULATOR and self.status in (SUSPENDED, REVOKED):
            assert actor == REGULATOR, "a regulator's word stands"
        self.version += 1
        self.word = actor
        self.status = {
            "submit": SUBMITTED,
            "request": NEEDS_INFORMATION,
            "verify": VERIFIED,
            "suspend": SUSPENDED,
            "resume": VERIFIED,
            "revoke": REVOKED,
        }[step]

    @invariant()
    def the_row_is_what_was_said(self) -> None:
        row = row_of(self.desk)
        if row is None:
            assert self.version == 0
            return
        assert (row[1], row[7], row[8]) == (self.status, self.version, self.word)
        if row[1] in (VERIFIED, SUSPENDED):
            assert row[2:6] == VOUCHED
        assert sealed.record(self.desk.scope(), row[6])[:3] == ("identity", "alpine", ANN)
        assert sealed.record(self.desk.scope(), row[6])[6] == layout.SEALED


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
test_life = Life.TestCase


def test_a_revocation_stops_the_next_payment_in_the_same_block(chain: Chain) -> None:
    """A month of it in one block: registered, verified, paid, suspended, refused, resumed, paid, revoked, refused."""
    assert chain.send("alpine", ("identity", "publish_keys", [list(reading_keys("alpine", 2))])) == "ok"
    encoded = seal_record("alpine", ANN, [reader("alpine", 0)]).encode()
    until = chain.time_ms + YEAR_MS

    def by_bank(method: str, *arguments: Value) -> Transaction:
        return chain.transaction("alpine", ("identity", method, [ANN, *arguments]))

    def payment(payer: str, payee: str) -> Transaction:
        return chain.transaction(payer, ("payments", "pay", [address_of(payee), "USD", 5, ""]))

    result = chain.block(
        by_bank("register", encoded),
        by_bank("verify", 2, until, "CH", "low"),
        payment("ann", "bob"),
        by_bank("suspend", "file 1"),
        payment("ann", "bob"),
        payment("bob", "ann"),
        by_bank("resume", ""),
        payment("ann", "bob"),
        by_bank("revoke", "file 2"),
        payment("ann", "bob"),
    )
    assert [receipt.code for receipt in result.receipts] == [
        *("ok", "ok", "ok", "ok", "identity_suspended", "identity_suspended", "ok", "ok", "ok", "identity_revoked")
    ]
    assert chain.send("bob", ("payments", "pay", [ANN, "USD", 5, ""])) == "identity_revoked"


def test_a_verification_ends_by_the_blocks_time_alone(chain: Chain) -> None:
    assert chain.send("alpine", ("identity", "publish_keys", [list(reading_keys("alpine", 2))])) == "ok"
    encoded = seal_record("alpine", ANN, [reader("alpine", 0)]).encode()
    until = chain.time_ms + 10_000
    verified: list[Value] = [ANN, 1, until, "CH", "low"]
    assert chain.send("alpine", ("identity", "register", [ANN, encoded]), ("identity", "verify", verified)) == "ok"

    def pay(time_ms: int) -> str:
        transaction = chain.transaction("ann", ("payments", "pay", [BOB, "USD", 5, ""]))
        return chain.block(transaction, time_ms=time_ms).receipts[0].code

    assert (pay(until - 1), pay(until)) == ("ok", "identity_expired")
    assert chain.send("alpine", ("identity", "verify", [ANN, 1, until + YEAR_MS, "CH", "low"])) == "ok"
    assert pay(until + 5_000) == "ok"


def _story(actors: str) -> None:
    """Registered, verified, suspended by the regulator; then whoever is named tries to end that, by every way."""
    machine = Life()
    machine.begin()
    for step, actor in (("submit", "alpine"), ("verify", "alpine"), ("suspend", REGULATOR)):
        machine.act(step, actor)
    for step in ("resume", "verify", "submit", "revoke", "suspend"):
        machine.act(step, actors)
        machine.the_row_is_what_was_said()


def test_planted_a_bank_that_takes_back_a_regulators_word_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    _story("alpine")
    monkeypatch.setattr(identity, "_check_regulators_word", lambda row, word: None)
    with pytest.raises(AssertionError, match="a regulator's word stands"):
        _story("alpine")


def test_planted_a_kernel_that_asks_nobody_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Life()
    machine.begin()
    machine.act("submit", "alpine")
    machine.act("verify", "baltic")
    machine.the_row_is_what_was_said()
    monkeypatch.setattr(identity, "_check_member_agrees", lambda scope, member: None)
    with pytest.raises(AssertionError):
        machine.act("verify", "baltic")
