"""The synchronous client: http.client and nothing else, so it works anywhere, a running event loop included.

Not for several threads at once: give each its own.
"""

import http.client
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

from rpc import answers
from rpc.client.calls import Calls
from rpc.client.core import Failure, Flow, Outcome, Pause, Policy, Reply, Send

P = ParamSpec("P")
T = TypeVar("T")
POLL_SECONDS = 0.5
"""Between two looks for new events when there are none."""


def _carried(flow: Callable[Concatenate[Calls, P], Flow[T]]) -> Callable[Concatenate["SyncClient", P], T]:
    """The method that carries a flow out."""

    @wraps(flow)
    def method(client: "SyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client._run(flow(client._calls, *args, **kwargs))

    return method


class SyncClient:
    """Asks one of several nodes; the next where one is down. What each method takes and gives stands in ``Calls``."""

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

    node_status = _carried(Calls.node_status)
    net_peers = _carried(Calls.net_peers)
    net_evidence = _carried(Calls.net_evidence)
    net_validators = _carried(Calls.net_validators)
    net_succession = _carried(Calls.net_succession)
    chain_block = _carried(Calls.chain_block)
    chain_checkpoint = _carried(Calls.chain_checkpoint)
    chain_genesis = _carried(Calls.chain_genesis)
    discover = _carried(Calls.discover)
    tx_submit = _carried(Calls.tx_submit)
    tx_submit_many = _carried(Calls.tx_submit_many)
    tx_get = _carried(Calls.tx_get)
    tx_wait = _carried(Calls.tx_wait)
    tx_simulate = _carried(Calls.tx_simulate)
    account_get = _carried(Calls.account_get)
    account_history = _carried(Calls.account_history)
    account_statement = _carried(Calls.account_statement)
    contract_list = _carried(Calls.contract_list)
    contract_abi = _carried(Calls.contract_abi)
    contract_query = _carried(Calls.contract_query)
    state_proof = _carried(Calls.state_proof)
    balance_proof = _carried(Calls.balance_proof)
    receipt_proof = _carried(Calls.receipt_proof)
    events_get = _carried(Calls.events_get)
    batch = _carried(Calls.batch)
    submit_and_wait = _carried(Calls.submit_and_wait)
    send = _carried(Calls.send)

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
                connection.request("POST", action.path, action.body, {"Content-Type": action.content_type})
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
