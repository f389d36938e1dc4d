"""A node's home directory: where each of its files is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The layout below one directory."""

    path: Path

    @property
    def configuration(self) -> Path:
        """What the operator may change."""
        return self.path / "config.toml"

    @property
    def genesis(self) -> Path:
        """The network's genesis document, the same at every node."""
        return self.path / "genesis.json"

    @property
    def joined(self) -> Path:
        """Of a member that joined later: which network, and where its nodes were."""
        return self.path / "joined.json"

    @property
    def member(self) -> Path:
        """This member's public data, signed, for the genesis ceremony."""
        return self.path / "member.json"

    @property
    def keys(self) -> Path:
        """The directory of the private keys, mode 0700."""
        return self.path / "keys"

    @property
    def node_key(self) -> Path:
        """The node's identity on the wire."""
        return self.keys / "node.key"

    @property
    def vote_key(self) -> Path:
        """Signs votes; observers have none."""
        return self.keys / "vote.key"

    def further_keys(self, first: Path) -> list[Path]:
        """Keys that were made to take the place of ``first``, the oldest first: ``vote-2.key`` and so on."""
        found: list[Path] = []
        while (path := self.nth_key(first, len(found) + 2)).exists():
            found.append(path)
        return found

    def nth_key(self, first: Path, number: int) -> Path:
        """The file of a key's ``number``-th form; the first is ``first`` itself."""
        return first if number == 1 else first.with_name(f"{first.stem}-{number}{first.suffix}")

    @property
    def account_key(self) -> Path:
        """Signs for the member's own account. The node never reads it: it may live elsewhere."""
        return self.keys / "account.key"

    @property
    def reading_key(self) -> Path:
        """The key under which the one-time reading keys are kept. The node never reads it either."""
        return self.keys / "reading.key"

    @property
    def reading_keys(self) -> Path:
        """The directory of the one-time keys for reading sealed data, mode 0700."""
        return self.keys / "reading"

    @property
    def data(self) -> Path:
        """Everything that the node writes while it runs."""
        return self.path / "data"

    @property
    def journal(self) -> Path:
        """What was signed and prepared, synced before it leaves."""
        return self.data / "journal"

    @property
    def chain(self) -> Path:
        """Decided blocks."""
        return self.data / "chain"

    @property
    def state(self) -> Path:
        """The world state, which replays from the chain."""
        return self.data / "state"

    @property
    def joining(self) -> Path:
        """A snapshot that is being installed, until all of it is there."""
        return self.data / "joining"

    @property
    def anchor(self) -> Path:
        """How far the chain had durably come, outside LevelDB."""
        return self.data / "anchor"

    @property
    def lock(self) -> Path:
        """Held by the one process that runs on this home."""
        return self.path / "lock"
