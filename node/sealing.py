"""What a member does with sealed data: seal it to whoever must read it, open it, show one attribute, add a reader.

All of it happens at the member's own machine: attributes and private keys never reach a node. Where the home holds the
network's genesis document, what the node answers is proven against it before it is used; elsewhere the node is
believed, and ``proven`` says so.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from nacl import utils

from contracts.kernel import layout
from contracts.kernel.identity import KIND
from contracts.kernel.layout import IdentityRow, SealedRow
from contracts.kernel.scope import LEDGER
from contracts.records import decode_row
from genesis.document import Genesis
from node.proven import ProvenState
from node.reading_keys import ReadingKeys
from rpc.client import SyncClient
from rpc.text import bytes_of, hex_of
from state import codec, sealed
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason
from state.sealed import Attribute, AttributeValue, Header, Reader, Wrap

DISCLOSURE_VERSION = 1
"""``format`` of a disclosure's document."""

DOCUMENT_CHARS_MAX = 256 * 1024
"""Largest file of attributes or disclosure."""

PAGE_EVENTS = 500


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A sealed record as the chain has it."""

    id: str
    header: Header
    commitments: sealed.Commitments
    wraps: tuple[Wrap, ...]
    status: str
    reference: str
    """Of the order to erase it; empty without one."""
    attested: tuple[str, ...]
    """Readers that have attested its erasure."""

    @property
    def readers(self) -> tuple[str, ...]:
        """The members that it is sealed to, each once, in order."""
        return tuple(dict.fromkeys(wrap.member for wrap in self.wraps))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that names this member as a reader and does not open."""

    record: str
    owner: str
    height: int
    why: str


class SealedData:
    """Sealed data at one node's chain."""

    def __init__(self, client: SyncClient, genesis: Genesis | None) -> None:
        """
        :param genesis: what the node's answers are held to; None believes the node.
        """
        self._client = client
        self._proven = None if genesis is None else ProvenState(client, genesis)
        self.chain_id = bytes_of(client.node_status().chain_id) if genesis is None else genesis.chain_id

    @property
    def proven(self) -> bool:
        """Whether what is read is proven by a quorum."""
        return self._proven is not None

    def record(self, identity: str) -> SealedRecord:
        """The record of that id. :raises Invalid: UNKNOWN, or as ``verify_state_answer``."""
        row = cast("SealedRow | None", self._row(layout.sealed_key(identity)))
        if row is None:
            raise Invalid(Reason.UNKNOWN, f"the chain has no sealed record {identity[:64]}")
        kind, owner, subject, nonce, commitments, wraps, status, reference, attested = row
        header = Header(self.chain_id, kind, owner, subject, nonce)
        listed = tuple(Wrap(*wrap) for wrap in wraps)
        return SealedRecord(identity, header, commitments, listed, status, reference, attested)

    def identity(self, address: str) -> IdentityRow | None:
        """What the chain says of the account's holder. :raises Invalid: as ``verify_state_answer``."""
        return cast("IdentityRow | None", self._row(layout.identity_key(address)))

    def record_named(self, name: str) -> SealedRecord:
        """A record by its id, or by the address of the account whose identity rests on it. :raises Invalid: UNKNOWN."""
        if len(name) == 2 * DIGEST_BYTES:
            return self.record(name)
        row = self.identity(name)
        if row is None:
            raise Invalid(Reason.UNKNOWN, f"nobody has registered the holder of {name}")
        return self.record(row[6])

    def mandated(self, owner: str) -> list[str]:
        """Who must read what ``owner`` seals: the regulators where it is, else all. :raises Invalid: UNKNOWN."""
        member = self._row(layout.member_key(owner))
        if member is None:
            raise Invalid(Reason.UNKNOWN, f"no member has the id {owner[:64]}")
        listed = cast("tuple[tuple[str, str], ...]", self._row(layout.REGULATORS) or ())
        near = [regulator for regulator, jurisdiction in listed if jurisdiction == member[2]]
        return near or [regulator for regulator, _ in listed]

    def readers_of(self, owner: str, others: Sequence[str] = ()) -> list[Reader]:
        """A reading key of everyone who must read what ``owner`` seals, and of ``others``.

        :raises Invalid: UNKNOWN, or UNAVAILABLE, somebody has published none.
        """
        return [self.reader(member) for member in dict.fromkeys([owner, *self.mandated(owner), *others])]

    def reader(self, member: str) -> Reader:
        """One unused reading key of a member, chosen at random. :raises Invalid: UNAVAILABLE.

        The node says which numbers are unused; the key itself is proven. Else a node could hand out its own.
        """
        listed = cast(list[list[Any]], self._query("reading_keys", [member]))
        if not listed:
            detail = f"{member} has no unused reading key on chain; it publishes some by hansa identity publish-keys"
            raise Invalid(Reason.UNAVAILABLE, detail)
        number = cast(int, random.choice(listed)[0])
        return Reader(member, number, self._public(member, number))

    def seal(
        self,
        kind: str,
        owner: str,
        subject: str,
        attributes: Sequence[tuple[str, AttributeValue]],
        others: Sequence[str] = (),
    ) -> bytes:
        """A record for the chain, sealed to ``owner``, its regulators and ``others``.

        :raises Invalid: as ``readers_of`` and ``sealed.seal``.
        """
        readers = self.readers_of(owner, others)
        entropy = utils.random(sealed.entropy_bytes(len(attributes)))
        return sealed.seal(self.chain_id, kind, owner, subject, attributes, readers, entropy).encode()

    def seal_identity(self, owner: str, address: str, attributes: Sequence[tuple[str, AttributeValue]]) -> bytes:
        """What ``identity.register`` takes. :raises Invalid: as ``seal``."""
        return self.seal(KIND, owner, address, attributes)

    def open(self, record: SealedRecord, member: str, keys: ReadingKeys) -> tuple[Attribute, ...]:
        """The attributes, by the member's own keys. :raises Invalid: UNKNOWN, BAD_SEAL or BAD_KEY_FILE."""
        return self._opened(record, member, keys)[1]

    def wrap_for(self, record: SealedRecord, member: str, keys: ReadingKeys, to: str) -> Wrap:
        """The record's key for another reader, or anew for one. It has opened the data: garbage is not passed on.

        :raises Invalid: as ``open`` and ``reader``.
        """
        content_key, _ = self._opened(record, member, keys)
        ephemeral = utils.random(sealed.READING_KEY_BYTES)
        return sealed.wrap_key(record.header.context, content_key, self.reader(to), ephemeral)

    def own_keys(self, record: SealedRecord, member: str) -> list[tuple[Wrap, bytes]]:
        """The record's wraps for a member, newest first, each with the public reading key that it is for."""
        own = [wrap for wrap in reversed(record.wraps) if wrap.member == member]
        return [(wrap, self._public(member, wrap.number)) for wrap in own]

    def unreadable(self, member: str, keys: ReadingKeys, from_height: int) -> Iterator[Unreadable | None]:
        """Try every record sealed to a member since a height: None for one that opens, or is under erasure."""
        for name in ("sealed", "reader_added"):
            cursor = None
            while True:
                page = self._client.events_get(from_height, cursor, PAGE_EVENTS, LEDGER, name)
                for entry in page.events:
                    fields = entry.event.fields
                    named = [reader for reader, _ in fields["readers"]] if name == "sealed" else [fields["member"]]
                    if member in named:
                        yield self._tried(str(fields["record"]), member, keys, int(entry.height))
                if page.complete:
                    break
                cursor = page.next_cursor

    def _tried(self, identity: str, member: str, keys: ReadingKeys, height: int) -> Unreadable | None:
        record = self.record(identity)
        if record.status != layout.SEALED:
            return None
        try:
            self.open(record, member, keys)
        except Invalid as error:
            return Unreadable(identity, record.header.owner, height, error.detail)
        return None

    def _opened(
        self, record: SealedRecord, member: str, keys: ReadingKeys
    ) -> tuple[bytes, tuple[Attribute, ...]]:
        """Content key and attributes, by the newest of the member's wraps that opens the data."""
        own = self.own_keys(record, member)
        if not own:
            raise Invalid(Reason.UNKNOWN, f"{member} is no reader of the record; {', '.join(record.readers)} are")
        row = self._row(layout.ciphertext_key(record.id))
        if row is None:
            raise Invalid(Reason.UNKNOWN, f"the record is {record.status}: its data is not on chain any more")
        refusal: Invalid | None = None
        for wrap, public in own:
            try:
                key = sealed.unwrap_key(record.header.context, wrap, keys.private(public))
                return key, sealed.open_record(record.header, record.commitments, cast(bytes, row[0]), key)
            except Invalid as error:
                refusal = refusal or error
        assert refusal is not None
        raise refusal

    def _public(self, member: str, number: int) -> bytes:
        row = self._row(layout.reading_key(member, number))
        if row is None:
            raise Invalid(Reason.UNKNOWN, f"the chain has no reading key {number} of {member}")
        return cast(bytes, row[0])

    def _row(self, key: bytes) -> layout.Row | None:
        if self._proven is not None:
            return self._proven.row(key)
        answer = self._client.state_proof(key)
        return None if answer.value is None else decode_row(bytes_of(answer.value))

    def _query(self, method: str, arguments: list[codec.Value]) -> codec.Value:
        return codec.unpack(bytes_of(self._client.contract_query("identity", method, arguments).encoded))


def read_attributes(text: str) -> list[tuple[str, AttributeValue]]:
    """Attributes from JSON: an object of texts, or of {"bytes": "0x…"}. :raises Invalid: MALFORMED.

    No refusal repeats what the file says: it holds what nobody else may see.
    """
    document = _document(text, "attributes")
    attributes: list[tuple[str, AttributeValue]] = []
    for name, value in document.items():
        match value:
            case str():
                attributes.append((name, value))
            case {"bytes": str() as data} if len(value) == 1:
                attributes.append((name, bytes_of(data)))
            case _:
                detail = f"attribute {len(attributes)} is neither a text nor an object with bytes in 0x-hex"
                raise Invalid(Reason.MALFORMED, detail)
    return attributes


def show_value(value: AttributeValue) -> str | dict[str, str]:
    """An attribute's value as ``read_attributes`` takes it."""
    return value if isinstance(value, str) else {"bytes": hex_of(value)}


def disclosure(record: SealedRecord, shown: Attribute) -> dict[str, object]:
    """The document by which whoever can read a record shows one attribute of it to anybody."""
    return {
        "format": DISCLOSURE_VERSION,
        "record": record.id,
        "name": shown.name,
        "value": show_value(shown.value),
        "salt": hex_of(shown.salt),
    }


def read_disclosure(text: str) -> tuple[str, Attribute]:
    """A disclosure's record and attribute. :raises Invalid: MALFORMED."""
    document = _document(text, "a disclosure")
    if document.keys() != {"format", "record", "name", "value", "salt"} or document["format"] != DISCLOSURE_VERSION:
        raise Invalid(Reason.MALFORMED, "a disclosure has the fields format (1), record, name, value and salt")
    record, name, salt = document["record"], document["name"], document["salt"]
    if not isinstance(record, str) or not isinstance(name, str) or not isinstance(salt, str):
        raise Invalid(Reason.MALFORMED, "record, name and salt of a disclosure are texts")
    ((_, value),) = read_attributes(json.dumps({"value": document["value"]}))
    return record, Attribute(name, value, bytes_of(salt))


def check_disclosure(record: SealedRecord, shown: Attribute) -> None:
    """Whether the record on chain commits to what is shown. :raises Invalid: BAD_SEAL or UNKNOWN."""
    sealed.check_disclosure(record.header, record.commitments, shown)


def _document(text: str, what: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text[: DOCUMENT_CHARS_MAX + 1])
    except (ValueError, RecursionError):
        raise Invalid(Reason.MALFORMED, f"the file of {what} is not JSON") from None
    if not isinstance(document, dict):
        raise Invalid(Reason.MALFORMED, f"the file of {what} holds one JSON object")
    return document
