"""Following the members: when a block has changed who is one, this node's links, key and role change with it.

A node that has not come as far as that block still shows the old key, and its peers, who have, link with the new one
only: it would never hear of it. So a node that nobody links with tries each of the keys that it holds.
"""

import asyncio
import logging
from collections.abc import Callable

from node.execution import Reader
from node.membership import Membership, Standing
from node.reads import ROSTER
from node.runtime import PeerLinks
from node.seams import Executed
from p2p.frame import LinkKind, Role
from p2p.identity import Identity
from p2p.network import PeerNetwork
from state.block import Block
from state.errors import Invalid
from state.keys import KeyPair

logger = logging.getLogger("hansa.node")

ALONE_SECONDS = 5.0
"""After so long without any link a node that holds several keys tries the next."""


class Following:
    """Keeps one running node's links as the roster has them.

    :param failed: told of an error of our own.
    """

    def __init__(
        self,
        membership: Membership,
        execution: Reader,
        links: PeerLinks,
        network: PeerNetwork,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._membership = membership
        self._execution = execution
        self._links = links
        self._network = network
        self._failed = failed
        self._members_height = membership.standing.height
        self._shown = membership.standing.identity
        self._next_look = asyncio.get_running_loop().call_later(ALONE_SECONDS, self._look)
        self._tell("")

    @property
    def standing(self) -> Standing:
        """What this node is now."""
        return self._membership.standing

    def is_validator(self) -> bool:
        """Whether this node validates, now or soon."""
        return self.standing.role is Role.VALIDATOR

    def speaker(self) -> tuple[str, KeyPair] | None:
        """The account in whose name this node reports, and its key; None while it may not."""
        standing = self.standing
        return (standing.account, KeyPair.from_seed(standing.identity.seed)) if self.is_validator() else None

    def executed(self, block: Block, event: Executed) -> None:
        """A block is executed."""
        if event.members_height > self._members_height:
            self._members_height = event.members_height
            task = asyncio.get_running_loop().create_task(self._take_roster(), name="following the members")
            task.add_done_callback(self._ended)

    def stop(self) -> None:
        """The node ends."""
        self._next_look.cancel()

    def _look(self) -> None:
        if not self._network.connected(LinkKind.VOTES):
            self._show(self._membership.after(self._shown))
        self._next_look = asyncio.get_running_loop().call_later(ALONE_SECONDS, self._look)

    def _show(self, identity: Identity) -> None:
        if identity != self._shown:
            self._shown = identity
            self._network.set_identity(identity)

    async def _take_roster(self) -> None:
        before = self.standing
        try:
            roster = await self._execution.read(ROSTER)
        except Invalid:  # Busy, or ending: the next block asks again.
            self._members_height = before.height
            return
        if roster.height < before.height:
            return  # A later one has overtaken it.
        self._membership.take(roster)
        standing = self.standing
        self._links.adopt(standing.peers)
        if standing.identity != before.identity:
            self._show(standing.identity)
        self._network.set_peers(standing.peers, standing.role)
        if standing.role is not before.role:
            facts = {"role": standing.role.value, "height": roster.height}
            logger.warning("this node has another role now", extra={"facts": facts})
        self._tell(before.trouble)

    def _tell(self, before: str) -> None:
        trouble = self.standing.trouble
        if trouble != before:
            logger.warning(trouble or "this node is a member's now")

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
