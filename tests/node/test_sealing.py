"""Sealed identities over real execution in memory: who opens them, who is told of garbage, where names never are."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contracts.genesis_state import GenesisMember
from contracts.kernel import layout
from contracts.records import encode_row
from node.home import Home
from node.reading_keys import ReadingKeys, create_store
from node.sealing import (
    SealedData,
    check_disclosure,
    disclosure,
    read_attributes,
    read_disclosure,
    show_value,
)
from rpc.client import SyncClient
from rpc.text import hex_of, shown
from state import codec, sealed
from state.codec import Value
from state.errors import Invalid, Reason
from state.memory import MemoryDatabase
from state.policy import Policy
from state.sealed import Reader
from tests.contracts.network import CHAIN_ID, SALT, Chain, address_of, genesis_state, key_of

CANARIES = ("Canarywharf", "Zebulon Quux")
PERSON: list[tuple[str, str | bytes]] = [
    ("family_name", CANARIES[0]),
    ("given_names", CANARIES[1]),
    ("passport_digest", b"\x07" * 32),
]
ANN = address_of("ann")


class MemoryClient:
    """What ``SealedData`` asks of a node, answered from a chain in memory. Keeps every answer it has given."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.answers: list[str] = []

    def node_status(self) -> Any:
        return SimpleNamespace(chain_id=hex_of(CHAIN_ID))

    def state_proof(self, key: bytes) -> Any:
        value = self.chain.executor.world.get(key)
        return self._kept(SimpleNamespace(value=None if value is None else hex_of(value)))

    def contract_query(self, contract: str, method: str, arguments: Sequence[Value]) -> Any:
        answer = self.chain.reads.query(contract, method, list(arguments))
        return self._kept(SimpleNamespace(encoded=hex_of(codec.pack(answer.value))))

    def events_get(self, from_height: int, cursor: str | None, limit: int, contract: str, name: str) -> Any:
        entries = [
            SimpleNamespace(
                height=str(result.height),
                event=SimpleNamespace(fields={key: shown(value) for key, value in event.fields}),
            )
            for result in self.chain.results
            for receipt in result.receipts
            for event in receipt.events
            if (event.contract, event.name) == (contract, name) and result.height >= from_height
        ]
        first = int(cursor or "0")
        page = SimpleNamespace(
            events=entries[first : first + 2], next_cursor=str(first + 2), complete=first + 2 >= len(entries)
        )
        return self._kept(page)

    def _kept(self, answer: Any) -> Any:
        self.answers.append(repr(answer))
        return answer


@dataclass
class Office:
    """Alpine, Baltic and the regulator over both, each with a store of published keys."""

    chain: Chain
    client: MemoryClient
    data: SealedData
    stores: dict[str, ReadingKeys]
    database: MemoryDatabase
    sent: list[bytes]
    """Transactions, as blocks keep them for ever."""

    def send(self, member: str, method: str, *arguments: Value) -> str:
        transaction = self.chain.transaction(member, ("identity", method, list(arguments)))
        self.sent.append(transaction.encoded)
        return self.chain.block(transaction).receipts[0].code

    def register(self) -> str:
        encoded = self.data.seal_identity("alpine", ANN, PERSON)
        assert self.send("alpine", "register", ANN, encoded) == "ok"
        return self.data.record_named(ANN).id


@pytest.fixture
def office(tmp_path: Path) -> Office:
    genesis = genesis_state()
    policy = Policy.of_key(key_of("watch").public)
    watch = GenesisMember("watch", "Watch", "WATCH000000000000000", "CH", "regulator", policy, SALT, None, None)
    database = MemoryDatabase()
    chain = Chain.start(replace(genesis, members=(*genesis.members, watch)), database).furnish()
    client = MemoryClient(chain)
    office = Office(chain, client, SealedData(cast(SyncClient, client), None), {}, database, [])
    for member in ("alpine", "baltic", "watch"):
        home = Home(tmp_path / member)
        office.stores[member] = create_store(home, None)
        assert office.send(member, "publish_keys", list(office.stores[member].generate(8))) == "ok"
    return office


def refusal(action: Callable[[], object]) -> tuple[Reason, str]:
    with pytest.raises(Invalid) as caught:
        action()
    return caught.value.reason, caught.value.detail


def test_the_bank_and_the_regulator_open_it_and_nobody_else(office: Office) -> None:
    record = office.data.record(office.register())
    assert record.readers == ("alpine", "watch")
    assert (record.header.kind, record.header.owner, record.header.subject) == ("identity", "alpine", ANN)
    for member in ("alpine", "watch"):
        attributes = office.data.open(record, member, office.stores[member])
        assert [(entry.name, entry.value) for entry in attributes] == PERSON
    assert refusal(lambda: office.data.open(record, "baltic", office.stores["baltic"])) == (
        Reason.UNKNOWN,
        "baltic is no reader of the record; alpine, watch are",
    )
    # Under another's name a stranger's keys are simply not there.
    assert refusal(lambda: office.data.open(record, "alpine", office.stores["baltic"]))[0] is Reason.UNKNOWN


def test_the_gate_hears_of_each_change_in_the_next_block(office: Office) -> None:
    office.register()

    def status() -> Value:
        return office.chain.reads.query("identity", "status", [ANN]).value

    until = office.chain.time_ms + 86_400_000
    assert status() == ["submitted", 0, 0, "", ""]
    assert office.send("alpine", "verify", ANN, 2, until, "CH", "low") == "ok"
    assert status() == ["verified", 2, until, "CH", "low"]
    assert office.send("watch", "suspend", ANN, "case 9") == "ok"
    assert status() == ["suspended", 2, until, "CH", "low"]
    assert office.send("alpine", "resume", ANN, "") == "identity_unauthorised"
    assert office.send("watch", "resume", ANN, "") == "ok"
    assert office.send("ann", "revoke", ANN, "") == "identity_unauthorised"
    assert office.send("alpine", "revoke", ANN, "left") == "ok"
    assert status() == ["revoked", 2, until, "CH", "low"]
    assert office.send("ann", "publish_keys", [b"\x09" * 32]) == "not_a_member"


def test_names_are_nowhere_but_at_their_readers(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The canary: every stored row, block, receipt, answer, file, log line and refusal, searched for the names."""
    caplog.set_level(logging.DEBUG)
    record = office.data.record(office.register())
    assert office.send("alpine", "verify", ANN, 2, office.chain.time_ms + 86_400_000, "CH", "low") == "ok"
    opened = office.data.open(record, "watch", office.stores["watch"])
    list(office.data.unreadable("watch", office.stores["watch"], 0))
    wrap = office.data.wrap_for(record, "alpine", office.stores["alpine"], "baltic")
    assert office.send("alpine", "add_reader", record.id, "baltic", wrap.number, wrap.sealed) == "ok"
    encoded = office.data.seal_identity("alpine", ANN, PERSON)
    for spoilt in (encoded[:-1], encoded[:80] + bytes(1) + encoded[81:], b"\x01" + encoded):
        office.send("alpine", "register", ANN, spoilt)
    kept = [part for row in office.database.rows(b"", None) for part in row] + office.sent
    receipts = [receipt for result in office.chain.results for receipt in result.receipts]
    kept += [f"{receipt.code} {receipt.message}".encode() for receipt in receipts]
    kept += [event.encode() for receipt in receipts for event in receipt.events]
    kept += [repr(office.chain.results).encode(), "".join(office.client.answers).encode(), caplog.text.encode()]
    kept += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    kept += [text.encode() for text in capfd.readouterr()]
    kept += [repr((opened, record, office.stores, wrap)).encode()]
    searched = b"\n".join(kept).lower()
    assert len(searched) > 100_000
    assert b"family_name" in searched, "names of attributes are public"
    for canary in CANARIES:
        for spelled in (canary, canary.encode().hex()):
            assert spelled.lower().encode() not in searched
    assert CANARIES[0].encode().lower() in json.dumps([show_value(entry.value) for entry in opened]).lower().encode()


def test_a_garbage_wrap_is_told_and_mended(office: Office) -> None:
    """The chain can't know. The regulator's own look can, and the bank's next wrap mends it."""
    readers = office.data.readers_of("alpine")
    entropy = bytes(range(sealed.entropy_bytes(3)))
    record = sealed.seal(CHAIN_ID, "identity", "alpine", ANN, PERSON, readers, entropy)
    garbage = replace(record.wraps[1], sealed=record.wraps[1].sealed[:-1] + b"\x00")
    spoilt = replace(record, wraps=(record.wraps[0], garbage))
    assert office.send("alpine", "register", ANN, spoilt.encode()) == "ok"
    found = office.data.record_named(ANN)
    number = garbage.number
    sentence = f"the wrap for watch under its reading key {number} does not open"
    assert refusal(lambda: office.data.open(found, "watch", office.stores["watch"])) == (Reason.BAD_SEAL, sentence)
    (told,) = office.data.unreadable("watch", office.stores["watch"], 0)
    assert told is not None
    assert (told.record, told.owner, told.why) == (found.id, "alpine", sentence)
    assert list(office.data.unreadable("alpine", office.stores["alpine"], 0)) == [None]
    wrap = office.data.wrap_for(found, "alpine", office.stores["alpine"], "watch")
    assert office.send("alpine", "add_reader", found.id, "watch", wrap.number, wrap.sealed) == "ok"
    mended = office.data.record(found.id)
    assert office.data.open(mended, "watch", office.stores["watch"])[0].value == CANARIES[0]
    assert list(office.data.unreadable("watch", office.stores["watch"], 0)) == [None, None]


def test_a_wrap_of_a_wrong_key_is_told_too(office: Office) -> None:
    found = office.data.record(office.register())
    target = office.data.reader("baltic")
    wrong = sealed.wrap_key(found.header.context, bytes(32), target, b"\x21" * 32)
    assert office.send("alpine", "add_reader", found.id, "baltic", wrong.number, wrong.sealed) == "ok"
    reason, detail = refusal(lambda: office.data.open(office.data.record(found.id), "baltic", office.stores["baltic"]))
    assert (reason, detail) == (Reason.BAD_SEAL, "the data does not open with the key that was wrapped")
    spoilt, keys = office.data.record(found.id), office.stores["baltic"]
    assert refusal(lambda: office.data.wrap_for(spoilt, "baltic", keys, "watch"))[0] is Reason.BAD_SEAL


def test_one_attribute_is_shown_and_checked(office: Office) -> None:
    record = office.data.record(office.register())
    attributes = office.data.open(record, "alpine", office.stores["alpine"])
    text = json.dumps(disclosure(record, sealed.disclose(attributes, "given_names")))
    assert CANARIES[0] not in text
    named, attribute = read_disclosure(text)
    check_disclosure(office.data.record(named), attribute)
    lie = read_disclosure(text.replace("Quux", "Quuz"))[1]
    assert refusal(lambda: check_disclosure(record, lie)) == (
        Reason.BAD_SEAL,
        "the record commits to another given_names than is shown",
    )
    digest = json.dumps(disclosure(record, sealed.disclose(attributes, "passport_digest")))
    check_disclosure(record, read_disclosure(digest)[1])


def test_erasure_destroys_the_keys_of_one_record_at_each_reader(office: Office) -> None:
    first = office.register()
    assert office.send("alpine", "revoke", ANN, "left") == "ok"
    second = office.register()
    assert office.send("alpine", "order_erasure", first, "GDPR 17(1)(b)") == "ok"
    record = office.data.record(first)
    for member in ("alpine", "watch"):
        store, before = office.stores[member], office.stores[member].publics()
        ((_, public),) = office.data.own_keys(record, member)
        assert store.destroy(public)
        assert store.publics() == [key for key in before if key != public]
        assert office.send(member, "attest_erasure", first) == "ok"
    assert office.data.record(first).status == "erased"
    assert office.data.record(first).attested == ("alpine", "watch")
    assert refusal(lambda: office.data.open(office.data.record(first), "alpine", office.stores["alpine"])) == (
        Reason.UNKNOWN,
        "the record is erased: its data is not on chain any more",
    )
    # The old block still has the data. Nobody has a key to it any more.
    kept = next(encoded for encoded in office.sent if record.header.nonce in encoded)
    assert record.commitments[0][1] in kept
    for member in ("alpine", "watch"):
        ((_, public),) = office.data.own_keys(record, member)
        assert refusal(lambda m=member, p=public: office.stores[m].private(p))[0] is Reason.UNKNOWN  # type: ignore[misc]
    assert office.data.open(office.data.record(second), "watch", office.stores["watch"])[1].value == CANARIES[1]


def test_a_node_can_not_slip_in_its_own_reading_key(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is the node's word, the key is the chain's."""
    real = office.client.contract_query

    def lie(contract: str, method: str, arguments: Sequence[Value]) -> Any:
        answer = real(contract, method, arguments)
        if method == "reading_keys":
            listed = cast(list[list[Value]], codec.unpack(bytes.fromhex(answer.encoded[2:])))
            answer.encoded = hex_of(codec.pack([[number, b"\x09" + bytes(31)] for number, _ in listed]))
        return answer

    monkeypatch.setattr(office.client, "contract_query", lie)
    reader = office.data.reader("watch")
    assert reader.public in office.stores["watch"].publics()
    assert isinstance(reader, Reader)


def test_without_published_keys_nothing_is_sealed(office: Office) -> None:
    for _ in range(8):
        office.register()
    assert refusal(office.register) == (
        Reason.UNAVAILABLE,
        "alpine has no unused reading key on chain; it publishes some by hansa identity publish-keys",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "the file of attributes is not JSON"),
        ("[]", "the file of attributes holds one JSON object"),
        ('{"a": 1}', "attribute 0 is neither a text nor an object with bytes in 0x-hex"),
        ('{"a": "", "b": {"bytes": 1}}', "attribute 1 is neither a text nor an object with bytes in 0x-hex"),
        ('{"a": {"bytes": "0x00", "c": 1}}', "attribute 0 is neither a text nor an object with bytes in 0x-hex"),
    ],
)
def test_what_is_no_file_of_attributes(text: str, sentence: str) -> None:
    assert refusal(lambda: read_attributes(text)) == (Reason.MALFORMED, sentence)


@pytest.mark.parametrize("changed", [{"format": 2}, {"extra": 1}, {"record": 1}, {"salt": 1}, {"value": 1}])
def test_what_is_no_disclosure(changed: dict[str, object]) -> None:
    document = {"format": 1, "record": "00", "name": "a", "value": "b", "salt": "0x00"}
    assert read_disclosure(json.dumps(document))[0] == "00"
    assert refusal(lambda: read_disclosure(json.dumps(document | changed)))[0] is Reason.MALFORMED


def test_rows_are_what_the_layout_says(office: Office) -> None:
    record = office.data.record(office.register())
    stored = office.chain.executor.world.get(layout.sealed_key(record.id))
    wraps = tuple((wrap.member, wrap.number, wrap.sealed) for wrap in record.wraps)
    header = record.header
    row = ("identity", "alpine", ANN, header.nonce, record.commitments, wraps, "sealed", "", ())
    assert stored == encode_row(row)
