"""An exchange: asks peers over the bulk links and waits for each answer, for a node that does not run its driver yet.

One question to a peer at a time. An answer that does not come in time, or is of another kind than was asked for, is the
peer's fault; what it says is for the caller to judge.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from p2p import bulk
from p2p.bulk import BulkKind
from p2p.frame import LinkKind
from p2p.network import PeerNetwork
from p2p.peers import Event, PeerDown, PeerUp, Received
from state.errors import Invalid, Reason

logger = logging.getLogger("hansa.node")

ANSWER_SECONDS_MAX = 4.0
"""A peer that has not answered by then is dropped: one that stalls costs less than 5 s."""

ANSWERS = {
    BulkKind.GET_BLOCKS: BulkKind.BLOCKS,
    BulkKind.GET_SNAPSHOT: BulkKind.SNAPSHOT,
    BulkKind.GET_CUTS: BulkKind.CUTS,
    BulkKind.GET_LEAVES: BulkKind.LEAVES,
    BulkKind.GET_HEADERS: BulkKind.HEADERS,
}


class Asking(Protocol):
    """Where peers can be asked."""

    def peers(self) -> Sequence[str]:
        """Who can be asked now."""

    def heights(self) -> dict[str, int]:
        """Newest height that each of them says it has decided."""

    async def ask(self, peer: str, kind: BulkKind, payload: bytes) -> bytes:
        """Its answer. :raises Invalid: UNAVAILABLE (it stalls, or is gone), PRUNED, or BAD_PROOF for no answer."""

    def drop(self, peer: str, reason: str) -> None:
        """Ask that peer nothing any more: it lies, or stalls."""


@dataclass(slots=True)
class _Asked:
    """A question under way."""

    kind: BulkKind
    answer: "asyncio.Future[bytes]"


class Exchange:
    """``Asking`` over a peer network of its own.

    :param seconds_max: how long one answer may take.
    """

    def __init__(self, names: dict[bytes, str], seconds_max: float = ANSWER_SECONDS_MAX) -> None:
        """:param names: member id by node id."""
        self._names = names
        self._ids = {name: node_id for node_id, name in names.items()}
        self._seconds_max = seconds_max
        self._network: PeerNetwork | None = None
        self._heights: dict[str, int] = {}
        self._asked: dict[str, _Asked] = {}
        self._dropped: dict[str, str] = {}

    def attach(self, network: PeerNetwork) -> None:
        """The network that ``on_event`` hears of."""
        self._network = network

    def peers(self) -> Sequence[str]:
        """See ``Asking``."""
        return tuple(name for name in self._heights if name not in self._dropped)

    def heights(self) -> dict[str, int]:
        """See ``Asking``."""
        return dict(self._heights)

    def on_event(self, event: Event) -> None:
        """What the network has to say."""
        name = self._names.get(event.node_id)
        if name is None or event.link_kind is not LinkKind.BULK:
            return
        if isinstance(event, PeerUp):
            self._heights[name] = event.hello.height
        elif isinstance(event, PeerDown):
            self._heights.pop(name, None)
            self._end(name, Invalid(Reason.UNAVAILABLE, "its link is gone"))
        elif isinstance(event, Received):
            self._received(name, event.frame_kind, event.payload)

    async def ask(self, peer: str, kind: BulkKind, payload: bytes) -> bytes:
        """See ``Asking``."""
        assert peer not in self._asked, "one question at a time"
        if self._network is None or peer not in self._heights:
            raise Invalid(Reason.UNAVAILABLE, "its link is gone")
        asked = _Asked(kind, asyncio.get_running_loop().create_future())
        self._asked[peer] = asked
        self._network.send(self._ids[peer], LinkKind.BULK, kind, payload)
        try:
            return await asyncio.wait_for(asked.answer, self._seconds_max)
        except TimeoutError:
            raise Invalid(Reason.UNAVAILABLE, f"no answer within {self._seconds_max:g} s") from None
        finally:
            if self._asked.get(peer) is asked:
                del self._asked[peer]

    def drop(self, peer: str, reason: str) -> None:
        """See ``Asking``."""
        if peer not in self._dropped:
            self._dropped[peer] = reason
            logger.warning("a peer is asked no more", extra={"facts": {"peer": peer, "reason": reason}})

    def _received(self, name: str, frame_kind: int, payload: bytes) -> None:
        asked = self._asked.get(name)
        if asked is None:
            return  # Too late, or gossip.
        if frame_kind == ANSWERS[asked.kind]:
            self._asked.pop(name)
            if not asked.answer.done():
                asked.answer.set_result(payload)
        elif frame_kind == BulkKind.PRUNED and asked.kind in (BulkKind.GET_BLOCKS, BulkKind.GET_HEADERS):
            try:
                first_height = bulk.decode_pruned(payload)
            except Invalid as error:
                self._end(name, error)
            else:
                self._end(name, Invalid(Reason.PRUNED, f"it keeps the chain from block {first_height} on"))

    def _end(self, name: str, error: Invalid) -> None:
        asked = self._asked.pop(name, None)
        if asked is not None and not asked.answer.done():
            asked.answer.set_exception(error)
