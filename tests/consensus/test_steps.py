"""The rules, one by one: what happened, what the replica asks for, and where it then stands."""

# ruff: noqa: E501 (a row of the table is a line)

from collections.abc import Callable

import pytest

from consensus import events
from consensus.events import SetTimer, Timer, TimerKind
from consensus.messages import CertifiedMessage, DecidedMessage, Inquiry
from consensus.rotation import first_rotation
from consensus.start import StartState
from consensus.view_changes import timeout_ms
from state.certificate import Certificate
from state.digest import NO_DIGEST
from state.votes import Checkpoint, Commit, Prepare
from tests.consensus.bench import (
    BANKS,
    CLOCK_MS,
    Bench,
    certified,
    checkpoint,
    commit,
    make,
    new_view,
    pre_prepare,
    prepare,
    signed,
    view_change,
)
from tests.consensus.network import GENESIS_MS

X, Y = make("x"), make("y")
FAR = 2**63 - 1
Steps = Callable[[Bench], list[str]]


def heard(*received: object) -> Steps:
    return lambda bench: bench.hear(*received)  # type: ignore[arg-type]


def decided(bench: Bench) -> Bench:
    """Bring a replica past height 1."""
    bench.hear(DecidedMessage(X, certified(Commit(1, 0, X.digest)), 2))
    assert bench.replica.height == 2
    return bench


def prepared(bench: Bench) -> list[str]:
    """Up to the COMMIT of height 1."""
    bench.hear(pre_prepare(X))
    bench.validated()
    bench.signed()
    return bench.hear(prepare("b", X), prepare("c", X))


WORK = events.WorkChanged(True)
ONE_SIDE = [view_change("b", 1), view_change("c", 1), view_change("d", 1)]
WITH_X = [view_change("b", 1), view_change("c", 1, X), view_change("d", 1)]
PREPARED_X = certified(Prepare(1, 0, X.digest))
FRESH = make("fresh", proposer="c")
OLD_TIME = make("old", timestamp_ms=GENESIS_MS + 1)
WITH_OLD = [view_change("b", 1), view_change("c", 1, OLD_TIME), view_change("d", 1)]

ROWS: list[tuple[str, str, Steps, list[str], tuple[int, int]]] = [
    # --- normal case: the bank, what happens, what it asks for, (height, view) afterwards
    ("a proposal is looked at", "a", heard(pre_prepare(X)), ["validate from b", "timer 1/0 500"], (1, 0)),
    ("PREPARE once the bodies are there", "a", lambda a: a.hear(pre_prepare(X)) and a.validated(), ["sign Prepare 1/0"], (1, 0)),
    ("no PREPARE for a refused block", "a", lambda a: a.hear(pre_prepare(X)) and a.step(events.BlockRefused(X.digest, "")), [], (1, 0)),
    ("COMMIT with q PREPAREs", "a", prepared, ["sign Commit 1/0"], (1, 0)),
    ("PRE-PREPARE does not count", "a", heard(pre_prepare(X), prepare("c", X), prepare("d", X)), ["validate from b", "timer 1/0 500"], (1, 0)),
    ("the primary's PREPARE does", "a", heard(pre_prepare(X), prepare("b", X), prepare("c", X), prepare("d", X)), ["sign Commit 1/0", "validate from b", "timer 1/0 500"], (1, 0)),
    ("nobody counts twice", "a", heard(pre_prepare(X), prepare("c", X), prepare("c", X), prepare("c", X)), ["validate from b", "timer 1/0 500"], (1, 0)),
    ("q COMMITs decide", "a", heard(pre_prepare(X), commit("b", X), commit("c", X), commit("d", X)), ["validate from b", "decided 1", "stop timer 1/0"], (2, 0)),
    ("q COMMITs of an unknown block", "a", heard(commit("b", X), commit("c", X), commit("d", X)), ["send b INQUIRY 1, certified", "send c INQUIRY 1, certified", "send d INQUIRY 1, certified"], (1, 0)),
    ("COMMITs of two views are no quorum", "a", heard(pre_prepare(X), commit("b", X), commit("c", X, 1), commit("d", X)), ["validate from b", "timer 1/0 500"], (1, 0)),
    ("the primary signs both at once", "b", lambda b: b.step(WORK) and b.step(events.ProposalReady(1, 0, X)), ["sign Proposal 1/0", "sign Prepare 1/0"], (1, 0)),
    ("a stale proposal of our own", "b", lambda b: b.step(events.ProposalReady(1, 3, X)), [], (1, 0)),
    ("a proposal from another bank", "a", heard(pre_prepare(X, "c")), ["reject c: bad_block: not from the primary of view 0"], (1, 0)),
    ("a forged proposal", "a", lambda a: a.hear(type(pre_prepare(X))(pre_prepare(X).vote, 1, pre_prepare(X, "c").signature, X)), ["reject b: bad_signature: the signature of validator 1 does not match"], (1, 0)),
    ("a second proposal is evidence", "a", lambda a: a.hear(pre_prepare(X)) and a.hear(pre_prepare(Y)), ["evidence against b"], (1, 0)),
    ("another block prepared: show the proposal", "a", lambda a: a.hear(pre_prepare(X)) and a.hear(prepare("c", Y), prepare("b", Y)), ["send c PRE-PREPARE 1/0"], (1, 0)),
    ("two PREPAREs are evidence", "a", heard(prepare("c", X), prepare("c", Y)), ["evidence against c"], (1, 0)),
    ("a COMMIT that a VIEW-CHANGE hides is evidence", "a", lambda a: a.hear(commit("c", X)) or a.hear(view_change("c", 1)), ["timer 1/0 500", "evidence against c"], (1, 0)),
    ("in either order", "a", lambda a: a.hear(view_change("c", 1)) and a.hear(commit("c", X)), ["evidence against c"], (1, 0)),
    # --- time
    ("a day late", "a", lambda a: a.hear(pre_prepare(X), clock_ms=CLOCK_MS + 86_400_000), ["timer 1/0 500", "reject b: bad_block: a fresh block's time is too far from this clock: no PREPARE for it"], (1, 0)),
    ("a day early", "a", lambda a: a.hear(pre_prepare(X), clock_ms=CLOCK_MS - 86_400_000), ["timer 1/0 500", "reject b: bad_block: a fresh block's time is too far from this clock: no PREPARE for it"], (1, 0)),
    ("at the bound", "a", lambda a: a.hear(pre_prepare(X), clock_ms=CLOCK_MS + 10_000), ["validate from b", "timer 1/0 500"], (1, 0)),
    ("judged once", "a", lambda a: a.hear(pre_prepare(X), clock_ms=CLOCK_MS + 86_400_000) and a.hear(pre_prepare(X)), [], (1, 0)),
    ("others vouch for its time", "a", lambda a: a.hear(pre_prepare(X), clock_ms=0) and a.hear(prepare("b", X), prepare("c", X), prepare("d", X)), ["sign Commit 1/0"], (1, 0)),
    ("proposed again: not judged", "a", heard(new_view("c", WITH_OLD, OLD_TIME, certified(Prepare(1, 0, OLD_TIME.digest)))), ["validate from b,c", "timer 1/1 1000"], (1, 1)),
    # --- views
    ("work starts the timer", "a", lambda a: a.step(WORK), ["timer 1/0 500"], (1, 0)),
    ("no work stops it", "a", lambda a: a.step(WORK) and a.step(events.WorkChanged(False)), ["stop timer 1/0"], (1, 0)),
    ("timed out", "a", lambda a: a.step(WORK) and a.timeout(), ["sign ViewChange 1/1"], (1, 1)),
    ("a timer of another view", "a", lambda a: a.step(WORK) and a.timeout(1), [], (1, 0)),
    ("no timer for view 1 below q", "a", lambda a: a.step(WORK) and a.timeout() and a.signed() and a.hear(view_change("b", 1)), [], (1, 1)),
    ("a timer for view 1 with q", "a", lambda a: a.step(WORK) and a.timeout() and a.signed() and a.hear(*ONE_SIDE[:2]), ["timer 1/1 1000"], (1, 1)),
    ("who asks for more counts, too", "a", lambda a: a.step(WORK) and a.timeout() and a.signed() and a.hear(view_change("b", 1), view_change("c", FAR)), ["timer 1/1 1000"], (1, 1)),
    ("f liars move nobody", "a", heard(view_change("d", FAR)), ["timer 1/0 500"], (1, 0)),
    ("f+1 lead to the least of theirs", "a", heard(view_change("b", 5), view_change("d", FAR)), ["sign ViewChange 1/5", "stop timer 1/0"], (1, 5)),
    ("a VIEW-CHANGE carries what is prepared", "a", lambda a: prepared(a) and a.signed() and a.timeout(), ["sign ViewChange 1/1"], (1, 1)),
    ("a new primary without q waits", "c", heard(view_change("b", 1), view_change("d", 1)), ["sign ViewChange 1/1", "stop timer 1/0"], (1, 1)),
    ("a new primary asks for a fresh block", "c", lambda c: c.hear(*ONE_SIDE[::2]) and c.signed(), ["send * VIEW-CHANGE 1/1 prepared", "propose 1/1 urgently", "timer 1/1 1000"], (1, 1)),
    ("a new primary proposes again", "c", lambda c: c.hear(view_change("b", 1, X), view_change("d", 1)) and c.signed(), ["sign NewView 1/1", "send * VIEW-CHANGE 1/1 prepared", "validate from b,a", "timer 1/1 1000"], (1, 1)),
    ("a VIEW-CHANGE hurries the primary", "b", heard(view_change("a", 1)), ["propose 1/0 urgently", "timer 1/0 500"], (1, 0)),
    ("NEW-VIEW, fresh", "a", heard(new_view("c", ONE_SIDE, FRESH)), ["validate from c", "timer 1/1 1000"], (1, 1)),
    ("NEW-VIEW, again", "a", heard(new_view("c", WITH_X, X, PREPARED_X)), ["validate from b,c", "timer 1/1 1000"], (1, 1)),
    ("NEW-VIEW hides what is prepared", "a", heard(new_view("c", WITH_X, FRESH)), ["reject c: bad_proof: the certificate is not the highest that the VIEW-CHANGEs name"], (1, 0)),
    ("NEW-VIEW of another block", "a", heard(new_view("c", WITH_X, FRESH, PREPARED_X)), ["reject c: bad_proof: a prepared block must be proposed again"], (1, 0)),
    ("NEW-VIEW with what nobody names", "a", heard(new_view("c", ONE_SIDE, X, PREPARED_X)), ["reject c: bad_proof: the certificate is not the highest that the VIEW-CHANGEs name"], (1, 0)),
    ("NEW-VIEW on q − 1", "a", heard(new_view("c", ONE_SIDE[:2], FRESH)), ["reject c: no_quorum: 2 VIEW-CHANGEs, a quorum is 3"], (1, 0)),
    ("NEW-VIEW on one bank thrice", "a", heard(new_view("c", ONE_SIDE[:1] * 3, FRESH)), ["reject c: bad_proof: signers are distinct and in ascending order"], (1, 0)),
    ("NEW-VIEW by another bank", "a", heard(new_view("d", ONE_SIDE, FRESH)), ["reject d: bad_proof: not from the primary of that view"], (1, 0)),
    ("NEW-VIEW on VIEW-CHANGEs of two views", "a", heard(new_view("c", [*ONE_SIDE[:2], view_change("d", 2)], FRESH)), ["reject c: bad_proof: a VIEW-CHANGE is of another height or view"], (1, 0)),
    ("NEW-VIEW on a certificate of q − 1", "a", heard(new_view("c", WITH_X, X, certified(Prepare(1, 0, X.digest), "ab"))), ["reject c: no_quorum: 2 signers, a quorum is 3"], (1, 0)),
    ("a fresh block of somebody else", "a", heard(new_view("c", ONE_SIDE, X)), ["sign ViewChange 1/1", "timer 1/1 1000", "reject c: bad_block: a fresh block names its primary as the proposer"], (1, 1)),
    ("NEW-VIEW of a view that is left", "a", lambda a: a.hear(view_change("b", 5), view_change("d", 5)) and a.hear(new_view("c", ONE_SIDE, FRESH)), [], (1, 5)),
    ("PREPARE in the new view", "a", lambda a: a.hear(new_view("c", ONE_SIDE, FRESH)) and a.validated(), ["sign Prepare 1/1"], (1, 1)),
    ("a forged prepared certificate", "a", lambda a: a.hear(type(WITH_X[1])(WITH_X[1].vote, 2, WITH_X[1].signature, Certificate(PREPARED_X.vote, ((0, bytes(64)), (1, bytes(64)), (2, bytes(64)))), X)), ["reject c: bad_signature: the signature of validator 0 does not match"], (1, 0)),
    # --- decisions from elsewhere
    ("a certificate of any view decides", "a", heard(DecidedMessage(X, certified(Commit(1, 9, X.digest)), 2)), ["decided 1"], (2, 0)),
    ("q − 1 decide nothing", "a", heard(DecidedMessage(X, certified(Commit(1, 0, X.digest), "ab"), 2)), ["reject d: no_quorum: 2 signers, a quorum is 3"], (1, 0)),
    ("a certificate of PREPAREs", "a", heard(DecidedMessage(X, PREPARED_X, 2)), ["reject d: bad_proof: the certificate is not one of the block's COMMITs"], (1, 0)),
    ("a certificate of another block", "a", heard(DecidedMessage(X, certified(Commit(1, 0, Y.digest)), 2)), ["reject d: bad_proof: the certificate is not one of the block's COMMITs"], (1, 0)),
    ("the next is near: ask", "a", heard(DecidedMessage(X, certified(Commit(1, 0, X.digest)), 4)), ["send d INQUIRY 2, certified", "decided 1"], (2, 0)),
    ("it is far: sync", "a", heard(DecidedMessage(X, certified(Commit(1, 0, X.digest)), 9)), ["decided 1", "behind d at 9"], (2, 0)),
    ("a claim to be far", "a", heard(Inquiry(FAR, 0)), [f"behind d at {FAR}"], (1, 0)),
    ("a vote from afar", "a", heard(signed("c", Commit(FAR, FAR, NO_DIGEST))), [f"behind c at {FAR}"], (1, 0)),
    ("block sync", "a", lambda a: a.step(events.SyncedBlock(X, certified(Commit(1, 0, X.digest)), "c")), ["decided 1"], (2, 0)),
    ("two decisions of one height", "a", lambda a: decided(a).hear(DecidedMessage(Y, certified(Commit(1, 0, Y.digest), "bcd"), 2)), ["halt: two certificates contradict each other at height 1: more than f validators lie"], (2, 0)),
    ("a decision on another parent", "a", lambda a: decided(a).hear(DecidedMessage(make("z", Y), certified(Commit(2, 0, make("z", Y).digest)), 3)), ["halt: two certificates contradict each other at height 1: more than f validators lie"], (2, 0)),
    # --- nobody is left behind
    ("a late COMMIT needs no answer yet", "a", lambda a: decided(a).hear(commit("c", X)), [], (2, 0)),
    ("nor at the first tick", "a", lambda a: decided(a).hear(commit("c", X)) or a.tick(), [], (2, 0)),
    ("it does at the second", "a", lambda a: decided(a).hear(commit("c", X)) or a.tick() or a.tick(), ["send c DECIDED 1, is at"], (2, 0)),
    ("unless its sender has moved on", "a", lambda a: decided(a).hear(commit("c", X), checkpoint("c", X)) or a.tick() or a.tick(), [], (2, 0)),
    ("a late VIEW-CHANGE is answered at once", "a", lambda a: decided(a).hear(view_change("c", 1)), ["send c DECIDED 1, is at"], (2, 0)),
    ("once between two ticks", "a", lambda a: decided(a).hear(*[view_change("c", 1), Inquiry(1, 0)] * 9), ["send c DECIDED 1, is at", "send d DECIDED 1, is at"], (2, 0)),
    ("a peer connects", "a", lambda a: a.hear(pre_prepare(X)) and a.validated() and a.signed() and a.step(events.PeerConnected("c")), ["send c INQUIRY 1, certified", "send c PREPARE 1/0"], (1, 0)),
    ("sent again at the second tick", "a", lambda a: a.hear(pre_prepare(X)) and a.validated() and a.signed() and (a.tick() or a.tick()), ["send * PREPARE 1/0"], (1, 0)),
    ("nothing to send again: ask", "a", lambda a: a.hear(pre_prepare(X)) and (a.tick() or a.tick()), ["send * INQUIRY 1, certified"], (1, 0)),
    ("an idle replica is silent", "a", lambda a: a.tick() or a.tick(), [], (1, 0)),
    ("one message of each kind for the next height", "a", lambda a: a.hear(*[signed("c", Prepare(2, view, NO_DIGEST)) for view in range(50)]), [], (1, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "steps", "asks", "stands"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rules(name: str, steps: Steps, asks: list[str], stands: tuple[int, int]) -> None:
    bench = Bench(name)
    assert steps(bench) == asks
    assert (bench.replica.height, bench.replica.view) == stands


def test_timeouts_double_to_four_seconds() -> None:
    assert [timeout_ms(view) for view in (0, 1, 2, 3, 4, FAR)] == [500, 1000, 2000, 4000, 4000, 4000]


def test_next_height_starts_from_what_was_kept() -> None:
    bench, second = Bench("a"), make("z", X, "c")
    bench.hear(pre_prepare(second, "c"), prepare("c", second), prepare("d", second))
    assert bench.hear(DecidedMessage(X, certified(Commit(1, 0, X.digest)), 2)) == [
        "validate from c,d",
        "decided 1",
        "timer 2/0 500",
    ]


def test_gate() -> None:
    """No PREPARE and no timer for h before a checkpoint of h − L is certified (here L = 1)."""
    bench, second = Bench("a", lag=1), make("z", X, "c")
    decided(bench)
    assert bench.hear(pre_prepare(second, "c")) == []
    assert bench.executed(X) == ["sign CHECKPOINT 1", "validate from c"]
    assert bench.validated() == []
    assert bench.signed() == ["send * CHECKPOINT 1"]
    assert bench.hear(checkpoint("b", X)) == []
    assert bench.hear(checkpoint("c", X)) == ["sign Prepare 2/0", "certified 1", "timer 2/0 500"]


def test_gate_opens_by_certificate() -> None:
    bench = decided(Bench("a", lag=1))
    bench.executed(X)
    vote = checkpoint("b", X).vote
    assert isinstance(vote, Checkpoint)
    assert bench.hear(CertifiedMessage(certified(vote, "bc"))) == ["reject d: no_quorum: 2 signers, a quorum is 3"]
    assert bench.hear(CertifiedMessage(certified(vote, "bcd"))) == ["certified 1"]
    assert bench.replica.certified_height == 1


def test_nothing_is_signed_before_the_guard_allows_it() -> None:
    bench = Bench("a", allowed=None)
    bench.hear(pre_prepare(X))
    assert bench.validated() == []
    assert bench.step(events.SigningAllowed(0)) == ["sign Prepare 1/0", "timer 1/0 500"]


def test_abstains_up_to_the_height_of_a_lost_vote() -> None:
    bench = Bench("a", allowed=1)
    bench.hear(pre_prepare(X), prepare("b", X), prepare("c", X), prepare("d", X))
    assert bench.validated() == []
    assert bench.hear(commit("b", X), commit("c", X), commit("d", X)) == ["decided 1"]
    second = make("z", X, "c")
    bench.hear(pre_prepare(second, "c"))
    assert bench.validated() == ["sign Prepare 2/0"]


def test_view_entered_before_the_guard_allows_signing() -> None:
    """The VIEW-CHANGE that others count on follows as soon as it may."""
    bench = Bench("a", allowed=None)
    assert bench.hear(view_change("b", 2), view_change("c", 2)) == []
    assert bench.replica.view == 2
    assert bench.step(events.SigningAllowed(0)) == ["sign ViewChange 1/2"]


def test_observer_decides_and_signs_nothing() -> None:
    bench = Bench(None)
    assert bench.hear(pre_prepare(X)) == ["validate from b"]
    assert bench.validated() == []
    assert bench.hear(*[prepare(name, X) for name in "bcd"]) == []
    assert bench.hear(*[commit(name, X) for name in "bcd"]) == ["decided 1"]
    assert bench.executed(X) == []
    assert bench.hear(*[checkpoint(name, X) for name in "bcd"]) == ["certified 1"]


def test_divergence_halts_before_the_next_vote() -> None:
    bench = decided(Bench("a"))
    bench.hear(*[checkpoint(name, X) for name in "bcd"])
    wrong = Checkpoint(1, X.digest, b"?" * 32, NO_DIGEST, BANKS.digest)
    said = ["halt: executing height 1 here gave another state than q validators"]
    assert bench.step(events.Executed(wrong, BANKS)) == said
    assert bench.hear(pre_prepare(make("z", X, "c"), "c")) == said
    assert bench.replica.halted


@pytest.mark.parametrize("is_certified_before", [False, True])
def test_what_an_earlier_life_executed_is_compared_too(is_certified_before: bool) -> None:
    """Found by the simulator, seed 18 of four with a state gone wrong: after a restart such a node voted on."""
    decision = events.Decision(X, certified(Commit(1, 0, X.digest)), first_rotation(BANKS))
    sets = tuple((height, BANKS) for height in range(1, 10))
    wrong = Checkpoint(1, X.digest, b"?" * 32, NO_DIGEST, BANKS.digest)
    right = checkpoint("b", X).vote
    assert isinstance(right, Checkpoint)
    certificates = (certified(right),) if is_certified_before else ()
    start = StartState(decision, 1, sets, certificates, results=(wrong,))
    said = ["halt: executing height 1 here gave another state than q validators"]
    bench = Bench("a", start=start)
    if not is_certified_before:
        assert not bench.replica.halted
        assert bench.hear(*[checkpoint(name, X) for name in "bcd"]) == said
    assert bench.replica.halted


@pytest.mark.parametrize("is_certified", [False, True])
def test_what_was_executed_only_at_the_start_is_signed(is_certified: bool) -> None:
    """Else nobody would sign it, where all of them started again at once, and the gate would stay shut for ever."""
    decision = events.Decision(X, certified(Commit(1, 0, X.digest)), first_rotation(BANKS))
    sets = tuple((height, BANKS) for height in range(1, 10))
    result = checkpoint("a", X).vote
    assert isinstance(result, Checkpoint)
    certificates = (certified(result),) if is_certified else ()
    bench = Bench("a", start=StartState(decision, 1, sets, certificates, results=(result,)))
    assert bench.signed() == ([] if is_certified else ["send * CHECKPOINT 1"])


def test_checkpoints_are_sent_again_until_certified() -> None:
    bench = decided(Bench("a"))
    bench.executed(X)
    assert bench.signed() == ["send * CHECKPOINT 1"]
    assert bench.tick() == []
    assert bench.tick() == ["send * CHECKPOINT 1"]
    bench.hear(checkpoint("b", X), checkpoint("c", X))
    assert bench.tick() == []
    assert bench.hear(checkpoint("d", X)) == [], "a straggler"
    assert bench.hear(checkpoint("d", X)) == ["send d CERTIFIED"], "it lacks the certificate"


def test_signature_checks_are_few() -> None:
    """One height at a backup of four: proposal, q − 1 PREPAREs, q − 1 COMMITs, and nothing that is not needed."""
    checked = list[bytes]()

    def count(public: bytes, payload: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return True

    bench = Bench("a", count=count)
    bench.hear(pre_prepare(X))
    bench.validated()
    bench.signed()
    bench.hear(*[prepare(name, X) for name in "bcd"])
    bench.signed()
    bench.hear(*[commit(name, X) for name in "bcd"])
    assert bench.replica.height == 2
    assert len(checked) == 1 + 2 + 2
    bench.hear(pre_prepare(make("z", X, "c"), "c"))
    assert len(checked) == 5 + 1, "the parent's certificate costs nothing: its COMMITs are known"


def test_far_views_cost_nothing() -> None:
    bench = Bench("a")
    bench.hear(pre_prepare(X))
    for view in range(FAR - 300, FAR):
        bench.hear(view_change("d", view), prepare("d", X, view), commit("d", X, view))
    assert (bench.replica.height, bench.replica.view) == (1, 0)
    assert bench.validated() == ["sign Prepare 1/0"]


def test_resending_timer() -> None:
    bench = Bench("a")
    bench.replica.step(WORK)
    assert bench.replica.ready().set_timers == (
        SetTimer(Timer(TimerKind.VIEW, 1, 0), 500),
        SetTimer(Timer(TimerKind.RESEND, 0, 0), 200),
    )
