"""Membership: who this node is and whom it links with, by the members that its executed state has.

A node starts from its genesis document and learns the rest by executing blocks. Rows of members hold from the block
that wrote them, so links to new members open then, and links to who has left close once it validates no more. A node
that has joined later finds its first peers in what ``hansa join`` has left in its home, until its own state has come so
far.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.roster import Roster, RosterEntry
from node.configuration import P2pSettings
from p2p.frame import Role
from p2p.identity import Identity
from p2p.peers import Peer
from state.errors import Invalid, Reason


@dataclass(frozen=True, slots=True)
class Standing:
    """What this node is after some height."""

    height: int
    role: Role
    identity: Identity
    account: str
    """Address of its member's own account; empty while the state does not know the member."""
    peers: tuple[Peer, ...]
    trouble: str
    """Why it is no member, or can't speak as one: a sentence for a person; empty when all is well."""


def check_names(settings: P2pSettings, roster: Roster) -> None:
    """Whether the endpoints of the configuration are of members. :raises Invalid: BAD_CONFIGURATION."""
    for name, _ in settings.peers:
        if roster.find(name) is None:
            raise Invalid(Reason.BAD_CONFIGURATION, f"p2p.peers in config.toml names {name}, and no member has that id")


class Membership:
    """Follows the roster for one node.

    :param member: whose node this is.
    :param identities: of the node keys that it holds, the oldest first.
    :param hints: where the network's nodes were when this one joined.
    """

    def __init__(
        self,
        member: str,
        identities: Sequence[Identity],
        settings: P2pSettings,
        hints: Sequence[Peer],
        roster: Roster,
    ) -> None:
        assert identities, "a node has a key"
        self.member = member
        self._identities = tuple(identities)
        self._settings = settings
        self._hints = tuple(hints)
        self.standing = self._standing(roster)

    def take(self, roster: Roster) -> None:
        """The members have changed."""
        self.standing = self._standing(roster)

    def after(self, identity: Identity) -> Identity:
        """The next of the identities that this node holds, and after the last the first."""
        place = self._identities.index(identity)
        return self._identities[(place + 1) % len(self._identities)]

    def _standing(self, roster: Roster) -> Standing:
        own = roster.find(self.member)
        identity = self._identity(own)
        is_known = own is not None and not (own.is_former and not own.validates)
        peers = {entry.id: self._peer(entry) for entry in roster.entries if self._is_linked(entry)}
        if not is_known:
            peers |= {peer.name: peer for peer in self._hints if peer.name != self.member}
        return Standing(
            roster.height,
            Role.VALIDATOR if own is not None and own.validates else Role.OBSERVER,
            identity,
            "" if own is None else own.account,
            tuple(peers[name] for name in sorted(peers)),
            self._trouble(own, identity),
        )

    def _identity(self, own: RosterEntry | None) -> Identity:
        """The one that the state names, else the oldest."""
        named = None if own is None else own.node_key
        return next((identity for identity in self._identities if identity.node_id == named), self._identities[0])

    def _is_linked(self, entry: RosterEntry) -> bool:
        is_here = entry.validates or not entry.is_former
        return is_here and entry.id != self.member and entry.node_key is not None and bool(entry.host)

    def _peer(self, entry: RosterEntry) -> Peer:
        assert entry.node_key is not None
        endpoint = self._settings.endpoint_of(entry.id)
        host, port = (entry.host, entry.port) if endpoint is None else (endpoint.host, endpoint.port)
        role = Role.VALIDATOR if entry.validates else Role.OBSERVER
        return Peer(entry.node_key, entry.id, host, port, entry.root_certificate, role)

    def _trouble(self, own: RosterEntry | None, identity: Identity) -> str:
        if own is None:
            return f"{self.member} is no member yet, as far as this node has come: the members vote on that"
        if own.is_former and not own.validates:
            return f"{self.member} has left the network: no node links with this one; what it has can still be read"
        if identity.node_id != own.node_key:
            return (
                f"the chain names another node key for {self.member} than this home holds: put that key back into its "
                "keys directory, or have the members vote on this one (hansa gov propose node)"
            )
        return ""
