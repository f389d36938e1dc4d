"""The asynchronous client, on aiohttp. It serves any number of tasks of one event loop."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiohttp

from rpc import answers
from rpc.client.calls import Calls
from rpc.client.core import Failure, Flow, Outcome, Pause, Policy, Reply, Send
from rpc.client.synchronous import POLL_SECONDS

P = ParamSpec("P")
T = TypeVar("T")
CONNECTIONS_MAX = 64
"""Most connections of one client."""


def _carried(
    flow: Callable[Concatenate[Calls, P], Flow[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    """The method that carries a flow out."""

    @wraps(flow)
    async def method(client: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client._run(flow(client._calls, *args, **kwargs))

    return method


class AsyncClient:
    """Asks one of several nodes; the next where one is down. What each method takes and gives stands in ``Calls``."""

    def __init__(self, urls: Sequence[str], policy: Policy | None = None, tls: ssl.SSLContext | None = None) -> None:
        """
        :param urls: of the nodes, as http://127.0.0.1:8545.
        :param tls: for https; the system's trust by default.
        """
        self._calls = Calls(urls, policy or Policy())
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def events(
        self,
        from_height: int = 0,
        cursor: str | None = None,
        *,
        contract: str | None = None,
        name: str | None = None,
        account: str | None = None,
        follow: bool = False,
    ) -> AsyncIterator[tuple[answers.EventEntry, str]]:
        """Events with the cursor behind each page: keep it and go on from there. With ``follow`` it never ends."""
        while True:
            page = await self.events_get(from_height, cursor, 1_000, contract, name, account)
            cursor = page.next_cursor
            for entry in page.events:
                yield entry, cursor
            if page.complete:
                if not follow:
                    return
                await asyncio.sleep(POLL_SECONDS)

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

    async def _run(self, flow: Flow[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                action = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(action, Pause):
                await asyncio.sleep(action.seconds)
                outcome = None
            else:
                outcome = await self._send(action)

    async def _send(self, action: Send) -> Reply | Failure:
        """One request. A kept connection may have been closed meanwhile; then once more over a new one."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ssl=self._tls or True)
            self._session = aiohttp.ClientSession(connector=connector)
        timeout = aiohttp.ClientTimeout(total=action.timeout_seconds)
        headers = {"Content-Type": action.content_type}
        failure = Failure("")
        for _ in range(2):
            try:
                async with self._session.post(
                    action.url.rstrip("/") + action.path, data=action.body, headers=headers, timeout=timeout
                ) as response:
                    return Reply(response.status, await response.read())
            except aiohttp.ServerDisconnectedError as fault:
                failure = Failure(f"{type(fault).__name__}: {fault}")
            except (aiohttp.ClientError, TimeoutError) as fault:
                return Failure(f"{type(fault).__name__}: {fault}")
        return failure
