"""A chain with one of everything: holds, orders, records, motions, jobs and a bond, so that any question has an answer.

The contract ``anything`` has an action or query for each function of the ledger. Whatever is made here is made by its
actions, each in a block of its own, and every key of SIGNERS signs.
"""

from dataclasses import dataclass
from typing import cast

from contracts.kernel.layout import Row
from state.codec import Value
from state.overlay import Overlay
from state.receipt import Receipt
from state.transaction import Call, Transaction, encode_calls
from tests.contracts.courthouse import OFFICIALS, with_officials
from tests.contracts.network import BLOCK_MS, Chain, address_of, genesis_state, key_of
from tests.contracts.sealing import PERSON, reader, reading_keys, seal_record
from tests.contracts.test_hostile_calls import every_function

DAY_MS = 86_400_000
SIGNERS = ("alpine", "ann", "baltic", "bob", "central", "cid", "marta", "nils", "themis")
LATE_SIGNER = "dan"
"""Signs what is asked of the furnished chain, and nothing before: a proposal still waits for this key."""
FUEL = 200_000
"""Of one question: a block of a hundred stays within a bank's quota."""
BOND, USD = "BOND.alpine", "USD.alpine"
JOB = """
@action
def run_job(argument: str) -> None:
    require(argument != "fail", "failed", "as it was told")
"""
SOURCE = every_function().replace("import ", "import require, ", 1) + JOB
PAYMENT = encode_calls([Call("payments", 1, "pay", [address_of("bob"), "USD", 1, ""])])
"""What a proposal would do."""


def record_of(subject: str, number: int, kind: str = "identity", owner: str = "alpine") -> bytes:
    """A sealed record of the bank's, which it and its regulators can open with their keys of that number."""
    readers = [reader(name, number) for name in (owner, "marta", "nils")]
    return seal_record(owner, subject, readers, kind, PERSON, str(number)).encode()


@dataclass(frozen=True, slots=True)
class Things:
    """Names of what is there."""

    records: dict[str, str]
    """Sealed: the identities of ann, bob and cid; a note; one to be erased."""
    holds: list[str]
    """Of ann's money for bob."""
    due_hold: str
    """The next block would release it."""
    bare_hold: str
    """Without a beneficiary."""
    groups: list[str]
    grouped_holds: list[str]
    """The first two of them in the first group."""
    freeze: int
    shared_account: str
    """Of two keys: ann's and the late signer's."""
    proposals: list[str]
    """They want the late signer's key."""
    motion: str
    job: int
    parked_job: int
    """It has failed."""

    def names(self) -> list[str]:
        """All of them that are texts."""
        holds = [*self.holds, *self.grouped_holds, self.due_hold, self.bare_hold]
        return [*self.records.values(), *holds, *self.groups, self.shared_account, *self.proposals, self.motion]


@dataclass(frozen=True, slots=True)
class Furnished:
    """The chain, what is on it, and a time long after it."""

    chain: Chain
    things: Things
    later_ms: int
    overlay: Overlay[Row]

    def transaction(self, function: str, arguments: list[Value], sender: str) -> Transaction:
        """One that calls one function, signed by everybody."""
        call = ("anything", f"do_{function}", arguments)
        return self.chain.transaction(sender, call, signers=(*SIGNERS, LATE_SIGNER), fuel_limit=FUEL)

    def ask(self, function: str, arguments: list[Value], sender: str) -> Receipt:
        """What that transaction would come to in the next block; the chain stays as it is."""
        executor = self.chain.executor
        transaction = self.transaction(function, arguments, sender)
        savepoint = self.overlay.savepoint()
        height, time_ms = executor.world.height + 1, self.chain.time_ms + BLOCK_MS
        size = len(transaction.encoded)
        try:
            return executor.judge(self.overlay, transaction.body, transaction.id, size, height, time_ms).receipt
        finally:
            self.overlay.rollback(savepoint)


def made(chain: Chain, sender: str, *calls: tuple[str, list[Value]]) -> Value:
    """Call functions of the ledger in a block of their own; gives the last one's answer."""
    program = [("anything", f"do_{function}", arguments) for function, arguments in calls]
    result = chain.block(chain.transaction(sender, *program, signers=SIGNERS))
    receipt = result.receipts[result.runs]
    assert receipt.is_ok, (calls, receipt)
    return receipt.results[-1]


def furnished() -> Furnished:
    """The chain with everything on it."""
    chain = Chain.start(with_officials(genesis_state([("anything", SOURCE)]))).furnish()
    made(chain, "alpine", ("start_recovery", [address_of("bob"), [[b"k" * 32, 1]], 1]))
    chain.block(time_ms=chain.time_ms + DAY_MS)
    later_ms = chain.time_ms + 10_000_000
    records = _records(chain, later_ms)
    holds = [_hold(chain, "bob", later_ms) for _ in range(10)]
    bare_hold = _hold(chain, "", later_ms)
    groups = [cast(str, made(chain, "ann", ("hold_group", [[*pair]]))) for pair in (holds[6:8], holds[8:])]
    freeze = _orders(chain)
    _issue(chain)
    job, parked_job = _jobs(chain)
    keys: Value = [[key_of(name).public, 1] for name in ("ann", LATE_SIGNER)]
    shared = cast(str, made(chain, "alpine", ("open_account", [keys, 2, b"u" * 16, "alpine"])))
    made(chain, "ann", ("transfer", [USD, address_of("ann"), shared, 100, "why", ""]))
    proposals = [cast(str, made(chain, "ann", ("propose", [shared, PAYMENT, later_ms]))) for _ in range(2)]
    motion = cast(str, made(chain, "alpine", ("move_motion", ["quota", [], [10**8], later_ms])))
    for _ in range(2):
        chain.block(time_ms=chain.time_ms + 6_000)
    due_hold = _hold(chain, "bob", chain.time_ms + 2 * BLOCK_MS)
    things = Things(
        records, holds[:6], due_hold, bare_hold, groups, holds[6:], freeze, shared, proposals, motion, job, parked_job
    )
    return Furnished(chain, things, later_ms, chain.executor.overlay())


def _records(chain: Chain, later_ms: int) -> dict[str, str]:
    """Members with reading keys; ann verified, bob submitted, cid suspended; two notes, one to be erased."""
    for name in ("alpine", "baltic", *OFFICIALS):
        made(chain, name, ("publish_reading_keys", [name, [*reading_keys(name, 16)]]))
    records: dict[str, str] = {}
    for number, (name, bank) in enumerate((("ann", "alpine"), ("bob", "alpine"), ("cid", "baltic"))):
        subject = address_of(name)
        sealed = made(chain, bank, ("seal", ["identity", bank, subject, record_of(subject, number, owner=bank)]))
        records[name] = cast(str, sealed)
        made(chain, bank, ("submit_identity", [subject, sealed]))
    made(chain, "alpine", ("verify_identity", [address_of("ann"), 5, later_ms, "CH", "low"]))
    made(chain, "baltic", ("verify_identity", [address_of("cid"), 5, later_ms, "CH", "low"]))
    made(chain, "baltic", ("suspend_identity", [address_of("cid"), "why"]))
    for number, name in ((3, "note"), (4, "erased")):
        sealed = made(chain, "alpine", ("seal", ["note", "alpine", "x", record_of("x", number, "note")]))
        records[name] = cast(str, sealed)
    made(chain, "alpine", ("order_erasure", [records["erased"], "why"]))
    return records


def _hold(chain: Chain, beneficiary: str, expires_ms: int) -> str:
    """A dollar of ann's."""
    target = address_of(beneficiary) if beneficiary else ""
    return cast(str, made(chain, "ann", ("hold", [USD, address_of("ann"), 100, target, expires_ms, "why", ""])))


def _orders(chain: Chain) -> int:
    """A part of bob's balance is frozen, and all of it for a while. The first one's number."""
    bob = address_of("bob")
    frozen = made(chain, "marta", ("order_freeze", [bob, USD, 5, ["send"], "reference", "law", 0]))
    soon_ms = chain.time_ms + 5_000
    made(chain, "marta", ("order_freeze", [bob, "", 0, ["settle"], "reference", "law", soon_ms]))
    return cast(int, frozen)


def _issue(chain: Chain) -> None:
    """A bond of alpine's with an attestor, limits and a corridor; ann has 500."""
    made(chain, "alpine", ("create_asset", ["BOND", "bond", "alpine", "USD", 2, 10**6, b"", 0]))
    made(chain, "alpine", ("require_attestation", [BOND, address_of("cid"), 10**6]))
    made(chain, "alpine", ("attest_reserve", [BOND, 1_000, b""]))
    made(chain, "alpine", ("set_limits", [BOND, "", [["day_out", 1_000]]]))
    made(chain, "alpine", ("set_corridor", [BOND, "CH", "", [["day", 1_000]]]))
    made(chain, "alpine", ("mint", [BOND, address_of("ann"), 500, "why", ""]))


def _jobs(chain: Chain) -> tuple[int, int]:
    """One that is not due for a day, and one that fails at once."""
    job = made(chain, "ann", ("schedule", ["run_job", "x", chain.time_ms + DAY_MS, 100_000, 0, 0]))
    parked = made(chain, "ann", ("schedule", ["run_job", "fail", chain.time_ms, 100_000, 0, 0]))
    return cast(int, job), cast(int, parked)
