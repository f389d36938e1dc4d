"""Serving: what peers ask for, bodies they lack and blocks that are decided, each answer bounded."""

from collections.abc import Sequence

from consensus import messages
from consensus.messages import DecidedMessage
from node.admission import Door
from node.chain import Chain
from node.seams import Network
from p2p import bulk
from p2p.bulk import BulkKind

ANSWER_BLOCKS_MAX = 4
"""Decided blocks that one request for bodies is answered from: it asks for those of one block, decided meanwhile."""


class Server:
    """Answers peers from chain and pool."""

    def __init__(self, chain: Chain, door: Door, network: Network) -> None:
        self._chain = chain
        self._door = door
        self._network = network

    def bodies(self, member: str, entries: Sequence[bytes]) -> None:
        """Send the bodies of these block entries, as far as they are here."""
        here = [self._door.find(entry) for entry in entries]
        found = [transaction.encoded for transaction in here if transaction is not None]
        gone = [entry for entry, transaction in zip(entries, here, strict=True) if transaction is None]
        found.extend(self._chain.transactions(gone, ANSWER_BLOCKS_MAX))
        answer: list[bytes] = []
        size = 0
        for encoded in found:
            answer.append(encoded)
            size += len(encoded)
            if size > bulk.ANSWER_BYTES_TARGET:
                break
        if answer:
            self._network.send_bulk(member, BulkKind.TRANSACTIONS, bulk.encode_transactions(answer))

    def blocks(self, member: str, first_height: int, count: int) -> None:
        """Send decided blocks from a height on."""
        rows: list[bytes] = []
        size = 0
        for height in range(first_height, min(first_height + count, self._chain.height + 1)):
            row = self._chain.encoded(height)
            if row is None or (rows and size + len(row) > bulk.ANSWER_BYTES_TARGET):
                break
            rows.append(row)
            size += len(row)
        self._network.send_bulk(member, BulkKind.BLOCKS, bulk.encode_blocks(rows))

    def decided(self, member: str, height: int, next_height: int) -> None:
        """Send one decided block with its certificate on the votes link.

        :param next_height: the height that this node is agreeing on.
        """
        decided = self._chain.decided(height)
        if decided is not None:
            message = DecidedMessage(decided.block, decided.certificate, next_height)
            self._network.send_vote(member, messages.encode(message))
