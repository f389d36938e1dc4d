"""What the journal holds: blocks with their bodies, what was signed, and what was decided.

A block is journalled before anything is signed about it, with its bodies as soon as they are here (a PREPARE needs
them, a COMMIT on the strength of others' PREPAREs does not); requests name it by its digest.
Compacting the journal leaves the blocks and requests of the undecided height, and then the vote record as it is.
After a restart ``read`` gives back what the chain does not have yet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from consensus import safety
from consensus.safety import SignRequest
from node.journal import RECORD_BYTES_MAX, Record
from p2p.bulk import DecidedBlock
from state import codec, votes
from state.block import Block
from state.certificate import Certificate
from state.digest import DIGEST_BYTES
from state.errors import Corrupt, Invalid
from state.validators import VALIDATORS_MAX
from state.votes import SignedVote

BLOCK = 1
"""A block and its encoded transactions."""
REQUEST = 2
"""Something signed: vote, digest of its block, prepared certificate, VIEW-CHANGEs."""
DECIDED = 3
"""The certificate that decided a block."""
SAFETY = 4
"""The vote record, everything before it included."""


@dataclass(slots=True)
class Recovered:
    """What the journal gave back."""

    blocks: dict[bytes, tuple[Block, tuple[bytes, ...] | None]] = field(default_factory=dict)
    """Block and encoded transactions (None: its bodies were not here) by the block's digest."""
    requests: list[SignRequest] = field(default_factory=list)
    """Everything signed, in order."""
    record: safety.Record = safety.NOTHING_SIGNED
    """The newest vote record."""
    recorded_count: int = 0
    """How many of ``requests`` the record includes."""
    certificates: dict[int, Certificate] = field(default_factory=dict)
    """Commit certificates by height."""

    def decided(self, height: int) -> DecidedBlock | None:
        """The decided block of a height, if its certificate and its bodies are here."""
        certificate = self.certificates.get(height)
        if certificate is None or isinstance(certificate.vote, votes.Checkpoint):
            return None
        found = self.blocks.get(certificate.vote.digest)
        if found is None or found[1] is None:
            return None
        return DecidedBlock(found[0], certificate, found[1])


def block_record(block: Block, transactions: Sequence[bytes] | None) -> Record:
    """A block with its bodies, or without them."""
    return Record(BLOCK, codec.pack([block.to_value(), transactions]))


def request_record(request: SignRequest) -> Record:
    """What is signed; its block has a record of its own, before this one."""
    prepared = None if request.prepared is None else request.prepared.to_value()
    digest = None if request.block is None else request.block.digest
    view_changes = [signed.to_value() for signed in request.view_changes]
    return Record(REQUEST, codec.pack([votes.to_value(request.vote), digest, prepared, view_changes]))


def decided_record(certificate: Certificate) -> Record:
    """A decision; its block has a record of its own, before this one."""
    return Record(DECIDED, codec.pack(certificate.to_value()))


def safety_record(record: safety.Record) -> Record:
    """The vote record as it stands."""
    return Record(SAFETY, record.encode())


def read(records: Iterable[Record]) -> Recovered:
    """Read what ``journal.recover`` gave. :raises Corrupt: a record is none of ours."""
    recovered = Recovered()
    try:
        for record in records:
            if record.kind == SAFETY:
                recovered.record = safety.Record.decode(record.payload)
                recovered.recorded_count = len(recovered.requests)
            else:
                _READERS[record.kind](recovered, codec.unpack(record.payload, RECORD_BYTES_MAX))
    except (Invalid, KeyError) as error:
        raise Corrupt(
            f"the journal holds a record that this version cannot read ({error}). Start the version that wrote it."
        ) from error
    return recovered


def _read_block(recovered: Recovered, value: codec.Value) -> None:
    block_value, listed = codec.fields(value, list, (list, type(None)))
    block = Block.from_value(block_value)
    transactions = None
    if listed is not None:
        transactions = tuple(codec.blob(encoded) for encoded in codec.items(listed, codec.INT_MAX))
    if transactions is not None or block.digest not in recovered.blocks:
        recovered.blocks[block.digest] = block, transactions


def _read_request(recovered: Recovered, value: codec.Value) -> None:
    optional = (bytes, type(None)), (list, type(None))
    vote_value, digest, prepared_value, listed = codec.fields(value, list, *optional, list)
    request = SignRequest(
        votes.from_value(vote_value),
        None,
        None if prepared_value is None else Certificate.from_value(prepared_value),
        tuple(SignedVote.from_value(item) for item in codec.items(listed, VALIDATORS_MAX)),
    )
    if digest is not None:
        request = replace(request, block=recovered.blocks[codec.sized(digest, DIGEST_BYTES)][0])
    recovered.requests.append(request)


def _read_decided(recovered: Recovered, value: codec.Value) -> None:
    certificate = Certificate.from_value(value)
    recovered.certificates[certificate.vote.height] = certificate


_READERS = {BLOCK: _read_block, REQUEST: _read_request, DECIDED: _read_decided}
