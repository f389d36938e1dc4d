"""Proven reads: rows of the state from a node that nobody has to trust, the genesis document in hand.

The validators are followed from genesis, a certificate for each change; each row is checked against a checkpoint
certificate of theirs.
"""

import msgspec

from contracts.kernel import layout
from contracts.records import decode_row
from genesis.document import Genesis
from rpc.client import SyncClient
from rpc.verify import extend, verify_state_answer
from state.errors import Invalid
from state.succession import Succession

PAGES_MAX = 10_000
"""Pages of changes that one call follows: more than a network makes in its life."""


class ProvenState:
    """What a node says of the state, held to the genesis document."""

    def __init__(self, client: SyncClient, genesis: Genesis) -> None:
        self._client = client
        self.succession = Succession(genesis.chain_id, genesis.parameters.execution_lag, genesis.validators())

    def follow(self) -> None:
        """Learn of the changes of the validators so far. :raises Invalid: the node's proof is none."""
        for _ in range(PAGES_MAX):
            page = self._client.net_succession(self.succession.newest_height)
            self.succession = extend(self.succession, page)
            if page.complete or not page.changes:
                return

    def row(self, key: bytes) -> layout.Row | None:
        """The row of a key, None where there is none. :raises Invalid: as ``verify_state_answer``."""
        shown = msgspec.to_builtins(self._client.state_proof(key))
        chain_id = self.succession.chain_id
        try:
            proven = verify_state_answer(chain_id, self.succession, shown, key)
        except Invalid:
            self.follow()  # Others may validate by now.
            proven = verify_state_answer(chain_id, self.succession, shown, key)
        return None if proven.value is None else decode_row(proven.value)
