"""For each function of the ledger a call that makes sense on the chain of tests/contracts/furnished.py."""

from dataclasses import dataclass

from state.codec import Value
from tests.contracts.furnished import BOND, DAY_MS, PAYMENT, USD, Furnished, record_of
from tests.contracts.network import address_of
from tests.contracts.sealing import reading_keys
from tests.contracts.test_evidence_report import GUILTY

ALPINE, ANN, BOB, CID = map(address_of, ("alpine", "ann", "bob", "cid"))
NEW_KEYS: Value = [[b"q" * 32, 1]]
LEGS: Value = [[USD, ANN, -5], [USD, BOB, 5]]
BOND_LEGS: Value = [[BOND, ANN, -5], [BOND, BOB, 5]]


@dataclass(frozen=True, slots=True)
class GoodCall:
    """What is asked, by whom, and how it ends."""

    arguments: list[Value]
    sender: str = "ann"
    code: str = "ok"


def good_calls(world: Furnished) -> dict[str, GoodCall]:
    """Function of LEDGER_FUNCTIONS → a call of it."""
    asked = {
        **money(),
        **holding(world),
        **accounts(),
        **agreeing(world),
        **issuing(),
        **identities(world),
        **records(world),
        **reckoning(),
        **jobs(world),
        **limits(),
    }
    return {name: GoodCall(arguments) for name, arguments in asked.items()} | by_others(world)


def money() -> dict[str, list[Value]]:
    return {
        "transfer": [USD, ANN, BOB, 5, "why", ""],
        "journal": [LEGS, "why", ""],
        "journal_refusal": [LEGS],
        "mint": [BOND, ANN, 5, "why", ""],
        "burn": [BOND, ANN, 5, "why", ""],
        "balance": [USD, ANN],
        "held": [USD, ANN],
        "supply": [USD],
        "reserved": [USD],
        "tariff": [],
    }


def holding(world: Furnished) -> dict[str, list[Value]]:
    things = world.things
    first, second, third, *more = things.holds
    bare = things.bare_hold
    return {
        "hold": [BOND, ANN, 5, BOB, world.later_ms, "why", ""],
        "post_hold": [first, 5, "why"],
        "void_hold": [second],
        "expire_hold": [things.due_hold],
        "hold_status": [things.due_hold],
        "hold_info": [things.due_hold],
        "may_settle": [bare],
        "may_exchange": [bare, ALPINE, 5, BOND, 5],
        "free_hold": [things.due_hold],
        "post_holds": [[[third, BOB, 5, True], [bare, ALPINE, 5, False]], BOND_LEGS, "why", ""],
        "hold_group": [[*more[:2]]],
        "post_group": [things.groups[0], [5, 5], "why"],
        "void_group": [things.groups[1]],
        "group_status": [things.groups[0]],
    }


def accounts() -> dict[str, list[Value]]:
    return {
        "open_account": [NEW_KEYS, 1, b"v" * 16, "alpine"],
        "account_bank": [ANN],
        "grant": [ANN, "payments"],
        "withdraw_grant": [ALPINE, "payments"],
        "has_grant": [ALPINE, "payments"],
        "rotate_keys": [ANN, NEW_KEYS, 1],
        "start_recovery": [ANN, NEW_KEYS, 1],
        "cancel_recovery": [BOB],
        "finish_recovery": [BOB],
        "recovery_due_ms": [BOB],
        "sponsor": [ANN],
        "withdraw_sponsor": [ANN],
        "is_sponsored": [ANN],
        "member_role": ["alpine"],
        "member_account": ["alpine"],
        "member_of": [ALPINE],
    }


def agreeing(world: Furnished) -> dict[str, list[Value]]:
    things = world.things
    return {
        "motion_info": [things.motion],
        "open_motions": [],
        "propose": [things.shared_account, PAYMENT, world.later_ms],
        "approve": [things.proposals[0]],
        "withdraw_proposal": [things.proposals[1]],
        "proposal_info": [things.proposals[1]],
        "open_proposals": [things.shared_account],
        "order_info": [things.freeze],
        "orders_on": [BOB, 0, 5],
        "freezes_on": [BOB],
        "check_evidence": [GUILTY],
    }


def issuing() -> dict[str, list[Value]]:
    return {
        "create_money": ["EUR", "deposit", "alpine"],
        "create_asset": ["FUND", "fund_share", "alpine", "USD", 2, 10**6, b"d" * 32, 0],
        "authorise_supply": [BOND, 10**6],
        "require_attestation": [BOND, CID, 10**6],
        "attest_reserve": [BOND, 10**6, b""],
        "revise_asset": [BOND, b"d" * 32],
        "asset_terms": [BOND],
        "allow_supply": [BOND, "payments"],
        "disallow_supply": [USD, "payments"],
        "asset_info": [BOND],
        "bank_money": ["alpine", "USD"],
        "settlement_money": ["USD"],
    }


def identities(world: Furnished) -> dict[str, list[Value]]:
    return {
        "submit_identity": [BOB, world.things.records["bob"]],
        "request_information": [BOB, "why"],
        "verify_identity": [ANN, 5, world.later_ms, "CH", "low"],
        "suspend_identity": [ANN, "why"],
        "resume_identity": [CID, "why"],
        "revoke_identity": [ANN, "why"],
        "identity_of": [ANN],
        "identity_record": [ANN],
    }


def records(world: Furnished) -> dict[str, list[Value]]:
    note, erased = world.things.records["note"], world.things.records["erased"]
    return {
        "publish_reading_keys": ["alpine", [*reading_keys("alpine", 2, 50)]],
        "reading_keys": ["alpine"],
        "reading_key_count": ["alpine"],
        "seal": ["note", "alpine", "x", record_of("x", 5, "note")],
        "add_reader": [note, "alpine", "baltic", 1, b"w" * 80],
        "order_erasure": [note, "why"],
        "attest_erasure": [erased, "alpine"],
        "record_info": [note],
        "record_readers": [note],
        "mandated_readers": ["alpine"],
    }


def reckoning() -> dict[str, list[Value]]:
    return {
        "day_of": [2020, 1, 31],
        "date_of": [1_000],
        "add_months": [1_000, 5, 31],
        "year_fraction": ["ACT/ACT ISDA", 1_000, 2_000],
        "business_day": ["TARGET", 1_000, "following"],
    }


def jobs(world: Furnished) -> dict[str, list[Value]]:
    return {
        "schedule": ["run_job", "x", world.chain.time_ms + DAY_MS, 100_000, 3, 1_000],
        "cancel_schedule": [world.things.job],
        "schedule_status": [world.things.job],
        "resume_schedule": [world.things.parked_job],
    }


def limits() -> dict[str, list[Value]]:
    return {
        "set_limits": [BOND, "low", [["day_out", 100], ["balance_min", 3]]],
        "set_corridor": [BOND, "CH", "DE", [["day", 100]]],
        "set_jurisdictions": [BOND, True, ["CH"]],
        "limits_in_force": [BOND, "low"],
        "corridor_in_force": [BOND, "CH", ""],
        "limits_left": [BOND, ANN],
    }


def by_others(world: Furnished) -> dict[str, GoodCall]:
    """What a customer may not ask."""
    things, later_ms = world.things, world.later_ms
    breaks: Value = [things.holds[-1], things.grouped_holds[0]]
    freeze: list[Value] = [ANN, USD, 5, ["send", "settle"], "reference", "law", later_ms]
    return {
        "move_motion": GoodCall(["fee", ["USD"], [1, 100], later_ms], "alpine"),
        "vote": GoodCall([things.motion, True], "baltic"),
        "order_freeze": GoodCall(freeze, "marta"),
        "order_release": GoodCall([things.freeze, "reference", "law"], "marta"),
        "order_transfer": GoodCall([USD, ANN, BOB, 5, breaks, "reference", "law", later_ms], "marta"),
        # On this chain an official's order needs nobody else: it is in force at once.
        "approve_order": GoodCall([things.freeze], "themis", "order_closed"),
        "withdraw_order": GoodCall([things.freeze], "marta", "order_closed"),
        "cap_limits": GoodCall([BOND, "low", [["day_out", 100]]], "marta"),
        "cap_corridor": GoodCall([BOND, "CH", "DE", [["day", 100]]], "marta"),
        "refuse_jurisdictions": GoodCall([["DE"]], "marta"),
    }
