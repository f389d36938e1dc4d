"""Sealed records on chain: reading keys are used once, nobody mandated is left out, and erasure is every reader's."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.kernel import accounts, layout, members, sealed
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError
from state import sealed as format
from state.errors import Invalid
from state.sealed import Reader, Record, Wrap
from tests.contracts.network import Desk, address_of, code_of
from tests.contracts.sealing import (
    REGULATOR,
    add_regulator,
    keep_record,
    publish_keys,
    reader,
    reading_keys,
    reading_secret,
    seal_record,
)

WRAPPED = b"\x09" + bytes(format.WRAP_BYTES - 1)


@pytest.fixture
def desk() -> Desk:
    """Two banks and the regulator over both, with eight reading keys each; another bank's regulator without."""
    desk = Desk.start()
    add_regulator(desk.overlay)
    add_regulator(desk.overlay, "faraway", "SG")
    publish_keys(desk, "alpine", "baltic", REGULATOR)
    return desk


def by(desk: Desk, member: str, contract: str = "identity") -> Scope:
    return desk.scope(member, sender=member, contract=contract)


def put(
    desk: Desk,
    readers: Sequence[Reader],
    owner: str = "alpine",
    signer: str = "alpine",
    kind: str = "travel_rule",
    subject: str = "quote 7",
) -> str:
    record = seal_record(owner, subject, readers, kind)
    return sealed.seal(by(desk, signer), kind, owner, subject, record.encode())


# Reading keys.


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (reading_keys("alpine", 1, 100), "ok"),
        (reading_keys("alpine", 256, 100), "ok"),
        (reading_keys("alpine", 257, 100), "bad_reading_key"),
        ([], "bad_reading_key"),
        ([bytes(32)], "bad_reading_key"),
        ([b"\x01" + bytes(31)], "bad_reading_key"),
        ([b"\x09" * 31], "bad_reading_key"),
        ([b"\x09" * 32] * 2, "bad_reading_key"),
    ],
)
def test_what_can_be_published(desk: Desk, keys: list[bytes], code: str) -> None:
    assert code_of(lambda: sealed.publish(by(desk, "alpine"), "alpine", keys)) == code
    count = 8 + (len(keys) if code == "ok" else 0)
    assert sealed.unused_count(desk.scope(), "alpine") == count


def test_only_the_members_own_keys_publish(desk: Desk) -> None:
    keys = reading_keys("alpine", 1, 100)
    assert code_of(lambda: sealed.publish(by(desk, "baltic"), "alpine", keys)) == "record_unauthorised"
    assert code_of(lambda: sealed.publish(by(desk, "alpine"), "nobody", keys)) == "unknown_member"


def test_unused_keys_are_bounded(desk: Desk) -> None:
    for first in range(8, sealed.UNUSED_MAX - 248, 256):
        sealed.publish(by(desk, "alpine"), "alpine", reading_keys("alpine", 256, first))
    left = sealed.UNUSED_MAX - sealed.unused_count(desk.scope(), "alpine")
    assert left == 248
    keys = reading_keys("alpine", 249, 5_000)
    assert code_of(lambda: sealed.publish(by(desk, "alpine"), "alpine", keys)) == "too_many_reading_keys"
    sealed.publish(by(desk, "alpine"), "alpine", keys[:248])
    assert len(sealed.unused(desk.scope(), "alpine")) == sealed.LISTED_MAX


def test_a_key_far_from_the_first_unused_one_is_refused(desk: Desk) -> None:
    for first in range(8, 1_288, 256):
        sealed.publish(by(desk, "alpine"), "alpine", reading_keys("alpine", 256, first))
    watch = reader(REGULATOR, 0)
    assert code_of(lambda: put(desk, [reader("alpine", 1_024), watch])) == "unknown_reading_key"
    assert code_of(lambda: put(desk, [reader("alpine", 1_023), watch])) == "ok"
    assert [number for number, _ in sealed.unused(desk.scope(), "alpine")][:3] == [0, 1, 2]


def test_an_event_says_when_few_are_left(desk: Desk) -> None:
    sealed.publish(by(desk, "alpine"), "alpine", reading_keys("alpine", 25, 8))
    scope = by(desk, "alpine")
    keep_record(scope, "alpine", "x", 0)
    assert [event.name for event in scope.events] == ["reading_keys_low", "sealed"]
    assert scope.events[0].fields == (("contract", "identity"), ("member", "alpine"), ("unused", 32))


# Sealing.


@pytest.mark.parametrize(
    ("readers", "code"),
    [
        ([("alpine", 0), ("watch", 0)], "ok"),
        ([("watch", 7), ("alpine", 3), ("baltic", 1)], "ok"),
        ([("alpine", 0)], "reader_missing"),
        ([("watch", 0)], "reader_missing"),
        ([("alpine", 0), ("baltic", 0)], "reader_missing"),
        ([("alpine", 0), ("faraway", 0)], "reader_missing"),
        ([("alpine", 0), ("watch", 8)], "unknown_reading_key"),
        ([("alpine", 0), ("watch", 0), ("faraway", 0)], "unknown_reading_key"),
        ([("alpine", 0), ("watch", 0), ("central", 0)], "unknown_reading_key"),
        ([("alpine", 0), ("watch", 0), ("nobody", 0)], "unknown_member"),
        ([("alpine", 0), ("alpine", 1), ("watch", 0)], "bad_record"),
    ],
)
def test_who_must_and_who_can_read(desk: Desk, readers: list[tuple[str, int]], code: str) -> None:
    assert code_of(lambda: put(desk, [reader(*entry) for entry in readers])) == code


def test_every_regulator_is_mandated_where_none_is_at_home(desk: Desk) -> None:
    row = list(members.member(desk.scope(), "baltic"))
    row[2] = "FI"
    desk.overlay.put(layout.member_key("baltic"), tuple(row))
    publish_keys(desk, "faraway")
    two = [reader("baltic", 0), reader(REGULATOR, 0)]
    assert code_of(lambda: put(desk, two, "baltic", "baltic")) == "reader_missing"
    assert code_of(lambda: put(desk, [*two, reader("faraway", 0)], "baltic", "baltic")) == "ok"


def test_a_reading_key_is_used_once(desk: Desk) -> None:
    first = put(desk, [reader("alpine", 0), reader(REGULATOR, 0)])
    for readers in ([("alpine", 0), (REGULATOR, 1)], [("alpine", 1), (REGULATOR, 0)]):
        again = [reader(*entry) for entry in readers]
        assert code_of(lambda again=again: put(desk, again, subject="quote 8")) == "reading_key_used"  # type: ignore[misc]
    assert desk.overlay.get(layout.reading_key("alpine", 0)) == (reader("alpine", 0).public, first)


def test_the_owner_agrees_by_keys_or_by_a_grant(desk: Desk) -> None:
    readers = [reader("alpine", 0), reader(REGULATOR, 0)]
    assert code_of(lambda: put(desk, readers, signer="baltic")) == "record_unauthorised"
    desk.overlay.put(layout.contract_key("spender"), ("", 1, b"", 0, 1, 1))
    accounts.grant(desk.scope("alpine"), address_of("alpine"), "spender")
    record = seal_record("alpine", "quote 7", readers, "travel_rule").encode()
    scope = desk.scope("cid", sender="cid", contract="spender")
    assert code_of(lambda: sealed.seal(scope, "travel_rule", "alpine", "quote 7", record)) == "ok"


@pytest.mark.parametrize(
    ("kind", "subject", "code"),
    [
        ("k" * 32, "s" * 140, "ok"),
        ("k" * 33, "s", "bad_record"),
        ("", "s", "bad_record"),
        ("K", "s", "bad_record"),
        ("k", "", "bad_record"),
        ("k", "s" * 141, "bad_record"),
    ],
)
def test_kind_and_subject(desk: Desk, kind: str, subject: str, code: str) -> None:
    record = seal_record("alpine", "s", [reader("alpine", 0), reader(REGULATOR, 0)]).encode()
    assert code_of(lambda: sealed.seal(by(desk, "alpine"), kind, "alpine", subject, record)) == code


@pytest.mark.parametrize("encoded", [b"", b"\x01", b"\x02\xc0", b"\x01\x94\xc0\xc0\xc0\xc0", bytes(49 * 1024)])
def test_what_is_no_record_is_refused(desk: Desk, encoded: bytes) -> None:
    assert code_of(lambda: sealed.seal(by(desk, "alpine"), "k", "alpine", "s", encoded)) == "bad_record"


def test_a_record_is_there_once(desk: Desk) -> None:
    record = seal_record("alpine", "s", [reader("alpine", 0), reader(REGULATOR, 0)])
    first = sealed.seal(by(desk, "alpine"), "k", "alpine", "s", record.encode())
    assert first == record.id("k", "alpine", "s")
    wraps = (replace(record.wraps[0], number=1), replace(record.wraps[1], number=1))
    again = replace(record, wraps=wraps).encode()
    assert code_of(lambda: sealed.seal(by(desk, "alpine"), "k", "alpine", "s", again)) == "record_exists"


def test_what_is_on_chain_opens_for_its_readers_alone(desk: Desk) -> None:
    identity = put(desk, [reader("alpine", 2), reader(REGULATOR, 5)])
    row = sealed.record(desk.scope(), identity)
    data = desk.overlay.get(layout.ciphertext_key(identity))
    assert data is not None
    header = format.Header(b"\x11" * 32, row[0], row[1], row[2], row[3])
    for member, number, wrapped in row[5]:
        key = format.unwrap_key(header.context, Wrap(member, number, wrapped), reading_secret(member, number))
        attributes = format.open_record(header, row[4], data[0], key)  # type: ignore[arg-type]
        assert attributes[1].value == "Lovelace"
        assert code_of_invalid(header, Wrap(member, number, wrapped), reading_secret("baltic", 0)) == "bad_seal"
        assert code_of_invalid(header, Wrap(member, number, wrapped), reading_secret(member, number + 1)) == "bad_seal"


def code_of_invalid(header: format.Header, wrap: Wrap, secret: bytes) -> str:
    try:
        format.unwrap_key(header.context, wrap, secret)
    except Invalid as error:
        return error.reason.value
    return "ok"


# Readers added later, and erasure.


@pytest.mark.parametrize(
    ("signer", "as_member", "to", "number", "wrapped", "code"),
    [
        ("alpine", "alpine", "baltic", 0, WRAPPED, "ok"),
        (REGULATOR, REGULATOR, "baltic", 7, WRAPPED, "ok"),
        ("alpine", "alpine", REGULATOR, 1, WRAPPED, "ok"),
        ("baltic", "baltic", "baltic", 0, WRAPPED, "not_a_reader"),
        ("baltic", "alpine", "baltic", 0, WRAPPED, "record_unauthorised"),
        ("alpine", "alpine", "baltic", 8, WRAPPED, "unknown_reading_key"),
        ("alpine", "alpine", "baltic", -1, WRAPPED, "unknown_reading_key"),
        ("alpine", "alpine", "baltic", b"\1" * 33, WRAPPED, "unknown_reading_key"),
        ("alpine", "alpine", REGULATOR, 0, WRAPPED, "reading_key_used"),
        ("alpine", "alpine", "nobody", 0, WRAPPED, "unknown_member"),
        ("alpine", "alpine", "baltic", 0, WRAPPED[1:], "bad_record"),
    ],
)
def test_readers_are_added_by_readers(
    desk: Desk, signer: str, as_member: str, to: str, number: int, wrapped: bytes, code: str
) -> None:
    record = put(desk, [reader("alpine", 0), reader(REGULATOR, 0)])
    scope = by(desk, signer)
    assert code_of(lambda: sealed.add_reader(scope, record, as_member, to, number, wrapped)) == code
    wraps = sealed.record(desk.scope(), record)[5]
    assert wraps[2:] == (((to, number, wrapped),) if code == "ok" else ())


def test_wraps_are_bounded(desk: Desk) -> None:
    sealed.publish(by(desk, "baltic"), "baltic", reading_keys("baltic", 40, 8))
    record = put(desk, [reader("alpine", 0), reader(REGULATOR, 0)])
    for number in range(sealed.WRAPS_MAX - 2):
        sealed.add_reader(by(desk, "alpine"), record, "alpine", "baltic", number, WRAPPED)
    last = sealed.WRAPS_MAX
    code = code_of(lambda: sealed.add_reader(by(desk, "alpine"), record, "alpine", "baltic", last, WRAPPED))
    assert code == "too_many_readers"


def test_erasure_is_ordered_by_the_owner_and_done_by_every_reader(desk: Desk) -> None:
    record = put(desk, [reader("alpine", 0), reader(REGULATOR, 0)])
    sealed.add_reader(by(desk, "alpine"), record, "alpine", "baltic", 0, WRAPPED)
    sealed.add_reader(by(desk, "alpine"), record, "alpine", "baltic", 1, WRAPPED)

    def ordered(signer: str, reference: str = "GDPR 17(1)(a)") -> str:
        return code_of(lambda: sealed.order_erasure(by(desk, signer), record, reference))

    def attested(signer: str, member: str = "") -> str:
        return code_of(lambda: sealed.attest_erasure(by(desk, signer), record, member or signer))

    def status() -> str:
        return sealed.record(desk.scope(), record)[6]

    assert attested("alpine") == "record_status"
    assert [ordered(REGULATOR), ordered("baltic"), ordered("alpine", ""), ordered("alpine", "r" * 141)] == [
        "record_unauthorised",
        "record_unauthorised",
        "bad_reference",
        "bad_reference",
    ]
    assert (ordered("alpine"), status()) == ("ok", "erasing")
    assert ordered("alpine") == "record_status"
    late = code_of(lambda: sealed.add_reader(by(desk, "alpine"), record, "alpine", "baltic", 2, WRAPPED))
    assert late == "record_status"
    assert attested("central") == "not_a_reader"
    assert attested("alpine", "baltic") == "record_unauthorised"
    assert (attested("alpine"), attested("alpine"), status()) == ("ok", "record_status", "erasing")
    assert (attested("baltic"), status()) == ("ok", "erasing")
    assert desk.overlay.get(layout.ciphertext_key(record)) is not None
    assert (attested(REGULATOR), status()) == ("ok", "erased")
    assert desk.overlay.get(layout.ciphertext_key(record)) is None
    assert attested(REGULATOR) == "record_status"
    row = sealed.record(desk.scope(), record)
    assert row[7:] == ("GDPR 17(1)(a)", ("alpine", "baltic", REGULATOR))
    assert row[5][0][:2] == ("alpine", 0)


class Records(RuleBasedStateMachine):
    """Random records, readers and erasures by three members, against a plain account of keys and wraps."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk.start()
        self.published = dict.fromkeys(("alpine", "baltic", REGULATOR), 0)
        self.used: dict[tuple[str, int], str] = {}
        self.records: dict[str, list[str]] = {}
        self.attested: dict[str, set[str] | None] = {}
        self.count = 0

    @initialize()
    def begin(self) -> None:
        add_regulator(self.desk.overlay)

    @rule(member=st.sampled_from(["alpine", "baltic", REGULATOR]), count=st.integers(1, 12))
    def publish(self, member: str, count: int) -> None:
        first = self.published[member]
        keys = reading_keys(member, count, first)
        assert sealed.publish(by(self.desk, member), member, keys) == first
        self.published[member] = first + count

    @rule(
        owner=st.sampled_from(["alpine", "baltic"]),
        numbers=st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)),
        named=st.sets(st.sampled_from(["alpine", "baltic", REGULATOR]), min_size=1),
    )
    def seal(self, owner: str, numbers: tuple[int, int, int], named: set[str]) -> None:
        places = dict(zip(("alpine", "baltic", REGULATOR), numbers, strict=True))
        self.count += 1
        wraps = tuple(Wrap(name, places[name], WRAPPED) for name in sorted(named))
        template = seal_record(owner, "s", [reader("alpine", 0)], "k", seed=str(self.count))
        record = Record(template.nonce, template.commitments, template.ciphertext, wraps)
        savepoint = self.desk.overlay.savepoint()
        before = dict(self.used)
        identity = ""
        try:
            identity = sealed.seal(by(self.desk, owner), "k", owner, "s", record.encode())
        except ContractError:
            self.desk.overlay.rollback(savepoint)
        else:
            self.desk.overlay.release(savepoint)
        allowed = {owner, REGULATOR} <= named
        free = all(places[name] < self.published[name] and (name, places[name]) not in before for name in named)
        assert bool(identity) == (allowed and free)
        if identity:
            self.used |= {(name, places[name]): identity for name in named}
            self.records[identity] = sorted(named)
            self.attested[identity] = None

    @precondition(lambda self: self.records)
    @rule(data=st.data(), member=st.sampled_from(["alpine", "baltic", REGULATOR]))
    def erase(self, data: st.DataObject, member: str) -> None:
        record = data.draw(st.sampled_from(sorted(self.records)))
        row = sealed.record(self.desk.scope(), record)
        so_far = self.attested[record]
        if so_far is None:
            code = code_of(lambda: sealed.order_erasure(by(self.desk, member), record, "law"))
            assert (code == "ok") == (member == row[1])
            if code == "ok":
                self.attested[record] = set()
            return
        code = code_of(lambda: sealed.attest_erasure(by(self.desk, member), record, member))
        assert (code == "ok") == (member in self.records[record] and member not in so_far)
        if code == "ok":
            so_far.add(member)

    @invariant()
    def the_chain_says_the_same(self) -> None:
        scope = self.desk.scope()
        for member, published in self.published.items():
            used = {number for name, number in self.used if name == member}
            free = [number for number in range(published) if number not in used]
            assert sealed.unused_count(scope, member) == len(free)
            assert [number for number, _ in sealed.unused(scope, member)] == free[: sealed.LISTED_MAX]
        for (member, number), record in self.used.items():
            assert self.desk.overlay.get(layout.reading_key(member, number)) == (reader(member, number).public, record)
        for record, readers in self.records.items():
            row = sealed.record(scope, record)
            assert [name for name, _, _ in row[5]] == readers
            assert {row[1], REGULATOR} <= set(readers)
            gone = self.attested[record] is not None and self.attested[record] == set(readers)
            assert (row[6] == "erased") == gone == (self.desk.overlay.get(layout.ciphertext_key(record)) is None)


Records.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
test_records = Records.TestCase


def test_planted_a_kernel_that_forgets_the_regulator_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "mandated", lambda scope, owner: ())
    with pytest.raises(AssertionError):
        run_planted()


def test_planted_a_kernel_that_lets_keys_be_used_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def use_again(scope: Scope, member: str, number: int, record: str) -> None:
        published, first, left = sealed._reading(scope, member)
        if not 0 <= number < published:
            raise ContractError("unknown_reading_key", "")
        scope.overlay.put(layout.reading_key(member), (published, first, left - 1))

    monkeypatch.setattr(sealed, "_use", use_again)
    with pytest.raises(AssertionError):
        run_planted()


def test_planted_an_erasure_that_one_reader_completes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sealed.attest_erasure

    def too_early(scope: Scope, record: str, member: str) -> None:
        real(scope, record, member)
        row = sealed.record(scope, record)
        scope.overlay.put(layout.sealed_key(record), (*row[:6], layout.ERASED, *row[7:]))

    monkeypatch.setattr(sealed, "attest_erasure", too_early)
    with pytest.raises(AssertionError):
        run_planted()


def run_planted() -> None:
    """The story that the machine tells most often, told once: two records, a reader left out, an erasure."""
    machine = Records()
    machine.begin()
    for member in ("alpine", "baltic", REGULATOR):
        machine.publish(member, 4)
    machine.seal("alpine", (0, 0, 0), {"alpine", REGULATOR})
    machine.seal("alpine", (0, 0, 1), {"alpine", REGULATOR})
    machine.seal("alpine", (2, 2, 2), {"alpine"})
    machine.the_chain_says_the_same()
    (record,) = machine.records
    for member in ("alpine", "alpine"):
        machine.erase(_Fixed(record), member)
    machine.the_chain_says_the_same()
    machine.erase(_Fixed(record), REGULATOR)
    machine.the_chain_says_the_same()


class _Fixed:
    """Draws what it was made with."""

    def __init__(self, value: str) -> None:
        self.value = value

    def draw(self, strategy: object) -> str:
        return self.value


def test_the_planted_story_holds_without_a_plant() -> None:
    run_planted()
