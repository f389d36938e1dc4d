"""The synchronous client: http.client and nothing else, so it works anywhere, a running event loop included.

Not for several threads at once: give each its own.
"""

import http.client
import ssl
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from rpc import answers
from rpc.backend import WAIT_MS_MAX
from rpc.client.calls import Calls, Sent
from rpc.client.core import Failure, Flow, Outcome, Pause, Policy, Reply, Request, Send
from rpc.errors import RpcError
from state.codec import Value
from state.keys import KeyPair
from state.transaction import Body, Call, Transaction

T = TypeVar("T")
POLL_SECONDS = 0.5
"""Between two looks for new events when there are none."""


class SyncClient:
    """Asks one of several nodes; the next where one is down."""

    def __init__(self, urls: Sequence[str], policy: Policy | None = None, tls: ssl.SSLContext | None = None) -> None:
        """
        :param urls: of the nodes, as http://127.0.0.1:8545.
        :param tls: for https; the system's trust by default.
        """
        self._calls = Calls(urls, policy or Policy())
        self._tls = tls
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def __enter__(self) -> "SyncClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def events(
        self,
        from_height: int = 0,
        cursor: str | None = None,
        *,
        contract: str | None = None,
        name: str | None = None,
        account: str | None = None,
        follow: bool = False,
    ) -> Iterator[tuple[answers.EventEntry, str]]:
        """Events with the cursor behind each page: keep it and go on from there. With ``follow`` it never ends."""
        while True:
            page = self.events_get(from_height, cursor, 1_000, contract, name, account)
            cursor = page.next_cursor
            for entry in page.events:
                yield entry, cursor
            if page.complete:
                if not follow:
                    return
                time.sleep(POLL_SECONDS)

    def batch(self, requests: Sequence[Request], wait_seconds: float = 0.0) -> list[Any]:
        """Calls in one body, at most 1,000; results in order, an RpcError in the place of what was refused."""
        return self._run(self._calls.batch(requests, wait_seconds))

    def node_status(self) -> answers.NodeStatus:
        return self._run(self._calls.node_status())

    def net_peers(self, cursor: str | None = None, limit: int = 100) -> answers.PeersPage:
        return self._run(self._calls.net_peers(cursor, limit))

    def net_evidence(self, cursor: str | None = None, limit: int = 100) -> answers.EvidencePage:
        return self._run(self._calls.net_evidence(cursor, limit))

    def net_validators(self, height: int | None = None) -> answers.ValidatorsPage:
        return self._run(self._calls.net_validators(height))

    def chain_block(self, height: int | None = None, digest: bytes | None = None) -> answers.BlockAnswer:
        return self._run(self._calls.chain_block(height, digest))

    def chain_checkpoint(self, height: int | None = None) -> answers.CheckpointProof:
        return self._run(self._calls.chain_checkpoint(height))

    def chain_genesis(self) -> answers.GenesisAnswer:
        return self._run(self._calls.chain_genesis())

    def discover(self) -> dict[str, Any]:
        return self._run(self._calls.discover())

    def tx_submit(self, encoded: bytes) -> answers.SubmitAnswer:
        return self._run(self._calls.tx_submit(encoded))

    def tx_submit_many(self, transactions: Sequence[bytes]) -> list[answers.SubmitAnswer | RpcError]:
        return self._run(self._calls.tx_submit_many(transactions))

    def tx_get(self, transaction_id: bytes) -> answers.TransactionAnswer:
        return self._run(self._calls.tx_get(transaction_id))

    def tx_wait(self, transaction_id: bytes, timeout_ms: int) -> answers.TransactionAnswer:
        return self._run(self._calls.tx_wait(transaction_id, timeout_ms))

    def tx_simulate(self, body: Body) -> answers.SimulationAnswer:
        return self._run(self._calls.tx_simulate(body))

    def account_get(self, address: str, cursor: str | None = None, limit: int = 100) -> answers.AccountAnswer:
        return self._run(self._calls.account_get(address, cursor, limit))

    def account_history(self, address: str, cursor: str | None = None, limit: int = 100) -> answers.HistoryPageAnswer:
        return self._run(self._calls.account_history(address, cursor, limit))

    def account_statement(
        self,
        address: str,
        asset: str,
        from_ms: int = 0,
        to_ms: int | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> answers.StatementAnswer:
        return self._run(self._calls.account_statement(address, asset, from_ms, to_ms, cursor, limit))

    def contract_list(self, cursor: str | None = None, limit: int = 100) -> answers.ContractsPage:
        return self._run(self._calls.contract_list(cursor, limit))

    def contract_abi(self, contract: str) -> answers.AbiAnswer:
        return self._run(self._calls.contract_abi(contract))

    def contract_query(
        self, contract: str, method: str, arguments: Sequence[Value] = (), sender: str | None = None
    ) -> answers.QueryAnswer:
        return self._run(self._calls.contract_query(contract, method, arguments, sender))

    def state_proof(self, key: bytes) -> answers.StateProofAnswer:
        return self._run(self._calls.state_proof(key))

    def balance_proof(self, address: str, asset: str) -> answers.StateProofAnswer:
        return self._run(self._calls.balance_proof(address, asset))

    def receipt_proof(self, transaction_id: bytes, event_index: int | None = None) -> answers.ReceiptProofAnswer:
        return self._run(self._calls.receipt_proof(transaction_id, event_index))

    def events_get(
        self,
        from_height: int = 0,
        cursor: str | None = None,
        limit: int = 100,
        contract: str | None = None,
        name: str | None = None,
        account: str | None = None,
    ) -> answers.EventsPage:
        return self._run(self._calls.events_get(from_height, cursor, limit, contract, name, account))

    def submit_and_wait(self, signed: Transaction, timeout_ms: int) -> answers.TransactionAnswer:
        return self._run(self._calls.submit_and_wait(signed, timeout_ms))

    def send(
        self,
        calls: Sequence[Call],
        sender: str,
        keys: Sequence[KeyPair],
        *,
        fuel_limit: int | None = None,
        timeout_ms: int = WAIT_MS_MAX,
    ) -> Sent:
        return self._run(self._calls.send(calls, sender, keys, fuel_limit=fuel_limit, timeout_ms=timeout_ms))

    def _run(self, flow: Flow[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                action = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(action, Pause):
                time.sleep(action.seconds)
                outcome = None
            else:
                outcome = self._send(action)

    def _send(self, action: Send) -> Reply | Failure:
        """One request. A kept connection may have been closed meanwhile; then once more over a new one."""
        for attempt in range(2):
            kept = action.url in self._connections
            connection = self._connections.get(action.url) or self._connect(action.url)
            self._connections[action.url] = connection
            connection.timeout = action.timeout_seconds
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(action.timeout_seconds)
                connection.request("POST", "/", action.body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                return Reply(response.status, response.read())
            except (OSError, http.client.HTTPException) as fault:
                connection.close()
                del self._connections[action.url]
                if attempt or not kept or isinstance(fault, TimeoutError):
                    return Failure(f"{type(fault).__name__}: {fault}")
        raise AssertionError("the second attempt always answers")

    def _connect(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        if parts.scheme == "https":
            context = self._tls or ssl.create_default_context()
            return http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context)
        return http.client.HTTPConnection(parts.hostname or "", parts.port)
