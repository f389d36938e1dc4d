"""A receipt: what became of one transaction of a block.

Receipts of a block stand in the order of its entries, and their RFC 6962 root is in the CHECKPOINT. A receipt
carries the root of its own events, so that one event can be proven without the others.
"""

from collections.abc import Sequence

from state import codec, merkle
from state.codec import Value
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason
from state.fact import fact

RECEIPT_VERSION = 1
OK = "ok"
"""Code of a transaction whose calls all happened."""

EVENTS_MAX = 4096
"""Events of a transaction's calls."""

EVENTS_BESIDE_MAX = 64
"""Events beside those of the calls: what the network itself did because of the transaction, a fee for instance."""


@fact
class Event:
    """Something that a contract or the kernel says has happened."""

    contract: str
    name: str
    fields: tuple[tuple[str, Value], ...]
    """Names and values, in the contract's order."""

    def to_value(self) -> Value:
        """What ``from_value`` takes."""
        return [self.contract, self.name, [list(entry) for entry in self.fields]]

    @classmethod
    def from_value(cls, value: Value) -> "Event":
        """:raises Invalid: MALFORMED."""
        contract, name, listed = codec.fields(value, str, str, list)
        entries = []
        for entry in codec.items(listed, 256):
            if type(entry) is not list or len(entry) != 2:
                raise Invalid(Reason.MALFORMED, "an event's field is a name and a value")
            entries.append((codec.text(entry[0]), entry[1]))
        return cls(codec.text(contract), codec.text(name), tuple(entries))

    def encode(self) -> bytes:
        """The leaf of the receipt's event tree."""
        return codec.encode(RECEIPT_VERSION, self.to_value())


@fact
class Receipt:
    """The outcome of one transaction. ``encode`` is what the receipts root covers; events stand beside it."""

    transaction_id: bytes
    code: str
    """``ok``, or the stable code of the failure; nothing but fuel and the id's use remains of a failed one."""
    message: str
    """A sentence for a person, empty when ok."""
    fuel_used: int
    results: tuple[Value, ...]
    """What each call returned."""
    events: tuple[Event, ...]

    @property
    def is_ok(self) -> bool:
        """Whether all calls happened."""
        return self.code == OK

    def encode(self) -> bytes:
        """The leaf of the block's receipt tree."""
        events_root = merkle.root([event.encode() for event in self.events])
        return codec.encode(
            RECEIPT_VERSION,
            [self.transaction_id, self.code, self.message, self.fuel_used, list(self.results), events_root],
        )

    def to_value(self) -> Value:
        """Leaf and events, for storage."""
        return [self.encode(), [event.to_value() for event in self.events]]

    @classmethod
    def from_value(cls, value: Value) -> "Receipt":
        """What ``to_value`` gave. :raises Invalid: MALFORMED, or BAD_PROOF if the events are not the leaf's."""
        leaf, listed = codec.fields(value, bytes, list)
        events = tuple(Event.from_value(entry) for entry in codec.items(listed, EVENTS_MAX + EVENTS_BESIDE_MAX))
        decoded = codec.decode(codec.blob(leaf), RECEIPT_VERSION)
        identity, code, message, fuel_used, results, root = codec.fields(decoded, bytes, str, str, int, list, bytes)
        receipt = cls(
            codec.sized(identity, DIGEST_BYTES),
            codec.text(code),
            codec.text(message),
            codec.natural(fuel_used),
            tuple(codec.items(results, 16)),
            events,
        )
        if merkle.root([event.encode() for event in events]) != root:
            raise Invalid(Reason.BAD_PROOF, "the events do not give the receipt's event root")
        return receipt


def receipts_root(receipts: Sequence[Receipt]) -> bytes:
    """RFC 6962 root over the receipts of a block, in its order."""
    return merkle.root([receipt.encode() for receipt in receipts])
