"""TigerBeetle's two-phase, linked and closing cases as our tables: results equal, or the difference named.

The cases are those of its ``src/state_machine_tests.zig`` (July 2026). A row is: what is asked | what it answers | what
we answer | why ours differs. ``EQUAL`` says which of our codes is which of its statuses; a row whose code is another
must say why, and one whose code is equal must not. ``ELSEWHERE`` names the statuses that no row has, with the reason.

Its accounts without flags may go below zero; ours never do, so A1 has 1,000 to begin with. Its accounts have pending
credits too; ours show a receiver nothing until it is paid.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import pytest

from contracts.kernel import freezes, groups, holds, layout, ledger, limit_rules
from contracts.kernel.codes import CODES
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError
from state.codec import INT_MAX
from tests.contracts.network import GENESIS_MS, Chain, Desk, address_of, genesis_state
from tests.contracts.sources import ESCROW

A = "USD.alpine"
A1, A2, A3 = map(address_of, ("ann", "bob", "cid"))
PLACES: Final = {"A1": A1, "A2": A2, "A3": A3}
OPENING: Final = 1_000

EQUAL: Final = {
    "created": "ok",
    "pending_transfer_not_found": "unknown_hold",
    "pending_transfer_already_posted": "hold_resolved",
    "pending_transfer_already_voided": "hold_resolved",
    "pending_transfer_expired": "hold_expired",
    "pending_transfer_has_different_credit_account_id": "bad_beneficiary",
    "exceeds_pending_transfer_amount": "hold_exceeded",
    "exceeds_credits": "insufficient_funds",
    "credit_account_not_found": "unknown_account",
    "overflows_timeout": "bad_expiry",
    "debit_account_already_closed": "account_frozen",
    "credit_account_already_closed": "account_frozen",
}

TWO_PHASE: Final = """
    transfer T1 15           | created
    reserve T2 15 1000       | created
    reserve T3 15 50         | created
    reserve T4 15 1          | created
    reserve T5 7 50          | created
    reserve T6 1 0           | created
    reserve T7 1 0           | created
    balances 54 15
    tick 1
    post T2 13               | created
    void T103                | pending_transfer_not_found
    void T1                  | pending_transfer_not_pending | unknown_hold | a posting has no id that a hold could have
    post T3 15 A3            | pending_transfer_has_different_credit_account_id
    post T3 16               | exceeds_pending_transfer_amount
    post T2 13               | pending_transfer_already_posted
    void T3                  | created
    post T3 13               | pending_transfer_already_voided
    void T4                  | pending_transfer_expired | ok | what a void asks for is so; the hold ends as expired
    post T5 8                | exceeds_pending_transfer_amount
    post T5 7                | created
    post T6 2                | exceeds_pending_transfer_amount
    post T6 1                | created
    post T7 0                | created | amount_out_of_range | posting nothing is a void, and on record as one
    void T7                  | pending_transfer_already_posted | ok | nothing of it was posted here
    balances 0 36
"""

WHOLE_RANGE: Final = """
    reserve T1 all 0         | created
    post T1 all              | created
    balances 0 all
"""

EXPIRED: Final = """
    reserve T1 10 0          | created
    reserve T2 11 1          | created
    reserve T3 12 2          | created
    reserve T4 13 3          | created
    balances 46 0
    tick 1
    balances 35 0
    tick 1
    balances 23 0
    tick 1
    balances 10 0
    post T1 10               | created
    post T2 11               | pending_transfer_expired
    post T3 12               | pending_transfer_expired
    post T4 13               | pending_transfer_expired
    balances 0 10
"""

REFUSED: Final = """
    transfer T1 15 A9        | credit_account_not_found
    reserve T1 15 0 A9       | credit_account_not_found
    reserve T1 1 overflow    | overflows_timeout
    reserve T1 1001 0        | exceeds_credits
    reserve T1 600 0         | created
    reserve T2 401 0         | exceeds_credits
    transfer T2 401          | exceeds_credits
    reserve T2 400 0         | created
    transfer T3 1            | exceeds_credits
    balances 1000 0
    void T2                  | created
    transfer T3 400          | created
    balances 600 400
    transfer T4 0            | created | amount_out_of_range | a leg that moves nothing claims that it did
    transfer T4 1 A1         | accounts_must_be_different | insufficient_funds | to oneself one pays what one has
    void T1                  | created
    transfer T4 600 A1       | accounts_must_be_different | ok | to oneself one pays what one has
    balances 0 400
"""

CLOSING: Final = """
    transfer T1 15           | created
    close A1 0
    transfer T3 5            | debit_account_already_closed
    back T4 5                | credit_account_already_closed
    balances 0 15
    open A1
    transfer T7 5            | created
    balances 0 20
    reserve T8 10 1          | created
    reserve T9 10 0          | created
    close A2 2
    post T9 10               | credit_account_already_closed
    void T9                  | created
    balances 10 20
    tick 1
    balances 0 20
    transfer T3 5            | credit_account_already_closed
    tick 1
    transfer T3 5            | created
    close A1 0
    close A2 0
    transfer T14 5 A3        | debit_account_already_closed
    close A1 0
    transfer T14 5           | debit_account_already_closed
"""

ELSEWHERE: Final = {
    "a transaction's id executes at most once, and the ledger gives a hold its id, so none is ever sent again": (
        "exists", "exists_with_different_flags", "exists_with_different_pending_id", "exists_with_different_timeout",
        "exists_with_different_debit_account_id", "exists_with_different_credit_account_id",
        "exists_with_different_amount", "exists_with_different_ledger", "exists_with_different_code",
        "exists_with_different_user_data_128", "exists_with_different_user_data_64",
        "exists_with_different_user_data_32",
        "id_already_failed", "id_must_not_be_zero", "id_must_not_be_int_max", "pending_id_must_be_different",
    ),
    "hold, post and void are functions with their own arguments, not flags and fields that could contradict": (
        "reserved_flag", "flags_are_mutually_exclusive", "pending_id_must_be_zero", "pending_id_must_not_be_zero",
        "pending_id_must_not_be_int_max", "timeout_reserved_for_pending_transfer",
        "pending_transfer_has_different_debit_account_id", "pending_transfer_has_different_ledger",
        "pending_transfer_has_different_code", "pending_transfer_has_different_amount",
        "debit_account_id_must_not_be_zero", "debit_account_id_must_not_be_int_max",
        "credit_account_id_must_not_be_zero", "credit_account_id_must_not_be_int_max", "ledger_must_not_be_zero",
        "code_must_not_be_zero", "transfer_must_have_the_same_ledger_as_accounts",
    ),
    "time is the block's, and nothing is imported": (
        "timestamp_must_be_zero", "imported_event_expected", "imported_event_not_expected",
        "imported_event_timestamp_out_of_range", "imported_event_timestamp_must_not_advance",
        "imported_event_timestamp_must_not_regress", "imported_event_timestamp_must_postdate_debit_account",
        "imported_event_timestamp_must_postdate_credit_account", "imported_event_timeout_must_be_zero",
    ),
    "an account closes by a freeze, which is an order and no transfer": ("closing_transfer_must_be_pending",),
    "a balance is one number with one limit, tested in test_kernel.py; debits are bounded by funds": (
        "overflows_debits_pending", "overflows_credits_pending", "overflows_debits_posted",
        "overflows_credits_posted", "overflows_debits", "overflows_credits", "exceeds_debits",
    ),
    "in the table of linked events below, or impossible: a transaction has an end": (
        "linked_event_failed", "linked_event_chain_open",
    ),
    "a journal names asset and account of each leg: unbalanced and unknown_account, in test_kernel.py": (
        "accounts_must_have_the_same_ledger", "debit_account_not_found",
    ),
}  # fmt: skip
"""Reason → statuses of its create_transfers that the tables above don't have."""

STATUSES: Final = 68
"""Members of its enumeration CreateTransferStatus, without the two deprecated ones."""


@dataclass
class Player:
    """Plays a table on the kernel; each row is a transaction of its own."""

    desk: Desk
    began_ms: int = GENESIS_MS
    opening: int = OPENING
    holds: dict[str, str] = field(default_factory=dict)

    def scope(self) -> Scope:
        return self.desk.scope("ann", "bob")

    def take(self, words: list[str]) -> str:
        """One row; the code it ends with."""
        savepoint = self.desk.overlay.savepoint()
        try:
            getattr(self, words[0])(*words[1:])
        except ContractError as error:
            self.desk.overlay.rollback(savepoint)
            code = error.code
        else:
            self.desk.overlay.release(savepoint)
            return "ok"
        assert code in CODES
        return code

    def amount(self, text: str) -> int:
        return self.opening if text == "all" else int(text)

    def transfer(self, name: str, amount: str, to: str = "A2") -> None:
        ledger.transfer(self.scope(), A, A1, PLACES.get(to, "nobody"), self.amount(amount), "payment", "")

    def back(self, name: str, amount: str) -> None:
        ledger.transfer(self.scope(), A, A2, A1, self.amount(amount), "payment", "")

    def reserve(self, name: str, amount: str, timeout: str, to: str = "A2") -> None:
        seconds = INT_MAX if timeout == "overflow" else int(timeout)
        expires_ms = self.desk.time_ms + 1_000 * seconds if seconds else 0
        receiver = PLACES.get(to, "nobody")
        self.holds[name] = holds.create(
            self.scope(), A, A1, self.amount(amount), receiver, expires_ms, "escrow", name
        )

    def post(self, name: str, amount: str, to: str = "A2") -> None:
        hold = self.holds.get(name, "none")
        if to == "A2":
            holds.post(self.scope(), hold, self.amount(amount), "escrow")
        else:
            holds.post_many(self.scope(), [(hold, PLACES[to], self.amount(amount), False)], [], "escrow")

    def void(self, name: str) -> None:
        holds.void(self.scope(), self.holds.get(name, "none"))

    def close(self, place: str, seconds: str) -> None:
        until = self.desk.time_ms + 1_000 * int(seconds) if int(seconds) else 0
        stops = freezes.SEND | freezes.RECEIVE | freezes.SETTLE
        freezes.add(self.scope(), PLACES[place], (1, "", stops, 0, until), is_asset=False)

    def open(self, place: str) -> None:
        freezes.remove(self.scope(), PLACES[place], 1, is_asset=False)

    def tick(self, seconds: str) -> None:
        self.desk.time_ms += 1_000 * int(seconds)

    def balances(self, pending: str, posted: str) -> None:
        """Its debits of A1, pending and posted, are its credits of A2."""
        reserved, paid = self.amount(pending), self.amount(posted)
        assert ledger.balance(self.scope(), A1, A) == (self.opening - reserved - paid, reserved)
        assert ledger.balance(self.scope(), A2, A) == (paid, 0)


def rows(table: str) -> list[tuple[list[str], str, str, str]]:
    """(Words, its status, our code, why) of each row; a row without a status has none of them."""
    found = []
    for line in table.strip().splitlines():
        does, *cells = (cell.strip() for cell in line.split("|"))
        theirs = cells[0] if cells else ""
        ours = cells[1] if len(cells) > 1 else EQUAL.get(theirs, "")
        found.append((does.split(), theirs, ours, cells[2] if len(cells) > 2 else ""))
    return found


def play(player: Player, table: str) -> None:
    for words, theirs, ours, why in rows(table):
        code = player.take(words)
        if theirs:
            assert (words, code) == (words, ours)
            assert (EQUAL.get(theirs) == ours) == (not why), f"{words}: a difference has a reason, and only that"
        else:
            assert code == "ok"


def funded(desk: Desk, amount: int = OPENING) -> Player:
    ledger.mint(desk.scope("alpine"), A, A1, amount, "deposit", "")
    return Player(desk, opening=amount)


@pytest.mark.parametrize("table", [TWO_PHASE, EXPIRED, REFUSED, CLOSING])
def test_two_phase(desk: Desk, table: str) -> None:
    play(funded(desk), table)


def test_two_phase_with_the_largest_amount(desk: Desk) -> None:
    play(funded(desk, INT_MAX), WHOLE_RANGE)


def test_every_status_of_theirs_has_its_place() -> None:
    listed = [theirs for table in (TWO_PHASE, EXPIRED, REFUSED, CLOSING) for _, theirs, _, _ in rows(table) if theirs]
    elsewhere = [status for statuses in ELSEWHERE.values() for status in statuses]
    assert not {*listed} & {*elsewhere}
    assert len({*listed, *elsewhere}) == STATUSES
    assert all(re.fullmatch("[a-z0-9_]+", status) for status in (*listed, *elsewhere))
    assert {*EQUAL.values()} <= {*CODES, "ok"}


def test_a_difference_without_a_reason_is_caught(desk: Desk) -> None:
    with pytest.raises(AssertionError):
        play(funded(desk), "reserve T1 1 0 | exceeds_credits")
    with pytest.raises(AssertionError, match="a difference has a reason"):
        play(funded(Desk.start()), "reserve T1 1 0 | exceeds_credits | ok")


# ------------------------------------------------------------------------------------------------------ linked events

PAY: Final = ("payments", "pay", [A2, "USD", 15, ""])
RESERVE: Final = ("escrow", "hold", [A, A2, 15, 0])
NO_LEDGER: Final = ("escrow", "hold", ["USD.nobody", A2, 15, 0])

LINKED: Final = [
    # Its chains: a failed event undoes all of its chain. Ours: a transaction's calls happen all or not at all, and
    # the receipt has the code of the one that failed. Calls of each transaction of one block; codes; what A1 has.
    ("a failed chain is undone", [[PAY, NO_LEDGER]], ["unknown_asset"], (20, 0)),
    ("a failed chain of reservations is undone", [[RESERVE, NO_LEDGER]], ["unknown_asset"], (20, 0)),
    ("what was undone is there for the next", [[PAY, NO_LEDGER], [PAY]], ["unknown_asset", "ok"], (5, 0)),
    ("what was not undone is not", [[PAY], [PAY]], ["ok", "insufficient_funds"], (5, 0)),
    ("a chain fails by its last event", [[RESERVE, PAY]], ["insufficient_funds"], (20, 0)),
    ("a chain of one", [[RESERVE]], ["ok"], (5, 15)),
    # linked_event_chain_open can't be: a transaction has an end.
]


@pytest.mark.parametrize(("name", "transactions", "codes", "left"), LINKED, ids=[row[0] for row in LINKED])
def test_linked(
    name: str,
    transactions: list[list[tuple[str, str, list[object]]]],
    codes: list[str],
    left: tuple[int, int],
) -> None:
    chain = Chain.start(genesis_state([("escrow", ESCROW)])).furnish()
    assert chain.send("ann", ("payments", "pay", [A2, "USD", 9_980, ""])) == "ok"
    block = chain.block(*(chain.transaction("ann", *calls) for calls in transactions))  # type: ignore[arg-type]
    assert [receipt.code for receipt in block.receipts] == codes
    balances = {entry.asset: (entry.available, entry.held) for entry in chain.reads.account(A1).balances}
    assert balances[A] == left


# ------------------------------------------------- #3382: linked pending transfers are posted and voided one by one


def group_of(player: Player, *amounts: int, seconds: int = 0) -> tuple[str, list[str]]:
    """A group of holds of these amounts, of A1 for A2."""
    for number, amount in enumerate(amounts):
        player.reserve(f"G{number}", str(amount), str(seconds))
    members = [player.holds[f"G{number}"] for number in range(len(amounts))]
    return groups.create(player.scope(), members), members


def code_of(player: Player, action: Callable[[], object]) -> str:
    player.act = action  # type: ignore[attr-defined]
    return player.take(["act"])


def statuses(player: Player, members: list[str]) -> list[str]:
    return [holds.status(player.scope(), hold) for hold in members]


def test_a_group_is_posted_whole_with_other_amounts(desk: Desk) -> None:
    player = funded(desk)
    group, members = group_of(player, 100, 200, 300)
    player.balances("600", "0")
    assert code_of(player, lambda: groups.post(player.scope(), group, [100, 150, 0], "escrow")) == "ok"
    player.balances("0", "250")
    assert statuses(player, members) == [layout.POSTED] * 3
    for again in (
        lambda: groups.post(player.scope(), group, [1, 1, 1], "escrow"),
        lambda: groups.void(player.scope(), group),
    ):
        assert code_of(player, again) == "hold_resolved"


def test_a_group_is_voided_whole(desk: Desk) -> None:
    player = funded(desk)
    group, members = group_of(player, 100, 200, 300)
    groups.void(player.scope(), group)
    player.balances("0", "0")
    assert statuses(player, members) == [layout.VOIDED] * 3
    assert groups.status(player.scope(), group) == layout.VOIDED


def test_a_group_expires_whole(desk: Desk) -> None:
    player = funded(desk)
    group, members = group_of(player, 100, 200, seconds=1)
    player.tick("1")
    player.balances("0", "0")
    assert statuses(player, members) == [layout.EXPIRED] * 2
    assert groups.status(player.scope(), group) == layout.EXPIRED
    assert code_of(player, lambda: groups.post(player.scope(), group, [100, 200], "escrow")) == "hold_expired"
    assert code_of(player, lambda: holds.expire(player.scope(), members[0])) == "ok"
    assert code_of(player, lambda: groups.void(player.scope(), group)) == "ok"
    assert statuses(player, members) == [layout.EXPIRED] * 2


def test_no_hold_of_a_group_is_resolved_apart(desk: Desk) -> None:
    player = funded(desk)
    group, members = group_of(player, 100, 200)
    fill = (members[1], A2, 200, False)
    for apart in (
        lambda: holds.post(player.scope(), members[0], 100, "escrow"),
        lambda: holds.void(player.scope(), members[0]),
        lambda: holds.post_many(player.scope(), [fill], [], "escrow"),
        lambda: groups.create(player.scope(), [members[0]]),
    ):
        assert code_of(player, apart) == "hold_grouped"
    player.balances("300", "0")
    stranger = desk.scope("ann", contract="spender")
    assert code_of(player, lambda: groups.post(stranger, group, [100, 200], "escrow")) == "hold_unauthorised"
    assert code_of(player, lambda: groups.void(stranger, group)) == "hold_unauthorised"


@pytest.mark.parametrize(
    ("amounts", "code"),
    [
        ([100, 200], "ok"),
        ([0, 1], "ok"),
        ([0, 0], "bad_group"),
        ([100], "bad_group"),
        ([100, 200, 1], "bad_group"),
        ([100, 201], "hold_exceeded"),
        ([101, 200], "hold_exceeded"),
        ([100, -1], "amount_out_of_range"),
    ],
)
def test_a_group_is_posted_in_one_journal_or_not_at_all(desk: Desk, amounts: list[int], code: str) -> None:
    player = funded(desk)
    group, members = group_of(player, 100, 200)
    assert code_of(player, lambda: groups.post(player.scope(), group, amounts, "escrow")) == code
    if code != "ok":
        player.balances("300", "0")
        assert statuses(player, members) == [layout.OPEN] * 2


def test_what_makes_no_group(desk: Desk) -> None:
    player = funded(desk)
    player.reserve("never", "10", "0")
    player.reserve("soon", "10", "1")
    player.reserve("soon too", "10", "1")
    player.holds["open"] = holds.create(player.scope(), A, A1, 10, "", desk.time_ms + 1_000, "escrow", "")
    named = player.holds
    for members, code in (
        ([], "bad_group"),
        ([named["never"]] * 65, "bad_group"),
        (["none"], "unknown_hold"),
        ([named["never"], named["soon"]], "bad_group"),
        ([named["soon"], named["soon"]], "hold_grouped"),
        ([named["soon"], named["open"]], "no_beneficiary"),
        ([named["soon"], named["soon too"]], "ok"),
    ):
        assert code_of(player, lambda members=members: groups.create(player.scope(), members)) == code  # type: ignore[misc]
    assert code_of(player, lambda: groups.void(player.scope(), "none")) == "unknown_group"


# ------------------------------------------------------------------- #2955: a lowest balance that pending debits heed

LOWEST_BALANCE: Final = """
    reserve T1 600 0         | created
    reserve T2 201 0         | exceeds_credits | limit_exceeded | the asset's issuer has set the lowest balance
    reserve T2 200 0         | created
    transfer T3 1            | exceeds_credits | limit_exceeded | the asset's issuer has set the lowest balance
    void T2                  | created
    transfer T3 200          | created
    post T1 600              | created
    balances 0 800
    lowest 100
    transfer T4 100          | created
    balances 0 900
"""


def test_the_lowest_balance_counts_what_is_pending(desk: Desk) -> None:
    """TigerBeetle has no lowest balance of an account; ours is a limit, in force for holds as for postings."""
    player = funded(desk)

    def lowest(amount: str) -> None:
        limit_rules.set_limits(desk.scope("alpine"), A, "", [("balance_min", int(amount))])

    player.lowest = lowest  # type: ignore[attr-defined]
    lowest("200")
    play(player, LOWEST_BALANCE)


# ------------------------------------------------------------- cala#879: one direction is capped whatever the other is

GROSS: Final = """
    in 40      | created
    out 30     | created
    in 20      | exceeds_credits | limit_exceeded | 60 would have come in on one day, though 30 in sum
    in 10      | created
    out 20     | created
    out 1      | exceeds_credits | limit_exceeded | 51 would have gone out on one day, though -1 in sum
    hold 1     | exceeds_credits | limit_exceeded | a hold counts when it is made
    tick 86400
    hold 50    | created
    out 1      | exceeds_credits | limit_exceeded | the hold has taken the day's sum
    void
    out 1      | created
"""


def test_gross_velocity_is_capped_each_way(desk: Desk) -> None:
    """GaloyMoney/cala#879: its velocity limits are net. Ours add up what came in and what went out, each for itself."""
    player = funded(desk)
    made: list[str] = []

    def move(source: str, target: str, signer: str) -> Callable[[str], None]:
        return lambda amount: ledger.transfer(desk.scope(signer), A, source, target, int(amount), "payment", "")

    def hold(amount: str) -> None:
        made.append(holds.create(desk.scope("bob"), A, A2, int(amount), A1, 0, "escrow", ""))

    player.void = lambda: holds.void(desk.scope("bob"), made[-1])  # type: ignore[method-assign, misc, assignment]
    player.out, player.hold = move(A2, A1, "bob"), hold  # type: ignore[attr-defined]
    setattr(player, "in", move(A1, A2, "ann"))
    ledger.mint(desk.scope("alpine"), A, A2, 100, "deposit", "")
    limit_rules.set_limits(desk.scope("alpine"), A, "", [("day_in", 50), ("day_out", 50)])
    play(player, GROSS)
