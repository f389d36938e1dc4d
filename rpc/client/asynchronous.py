"""The asynchronous client, on aiohttp. It serves any number of tasks of one event loop."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

import aiohttp

from rpc import answers
from rpc.backend import WAIT_MS_MAX
from rpc.client.calls import Calls, Sent
from rpc.client.core import Failure, Flow, Outcome, Pause, Policy, Reply, Request, Send
from rpc.client.synchronous import POLL_SECONDS
from rpc.errors import RpcError
from state.codec import Value
from state.keys import KeyPair
from state.transaction import Body, Call, Transaction

T = TypeVar("T")
CONNECTIONS_MAX = 64
"""Most connections of one client."""


class AsyncClient:
    """Asks one of several nodes; the next where one is down."""

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

    async def batch(self, requests: Sequence[Request], wait_seconds: float = 0.0) -> list[Any]:
        """Calls in one body, at most 1,000; results in order, an RpcError in the place of what was refused."""
        return await self._run(self._calls.batch(requests, wait_seconds))

    async def node_status(self) -> answers.NodeStatus:
        return await self._run(self._calls.node_status())

    async def net_peers(self, cursor: str | None = None, limit: int = 100) -> answers.PeersPage:
        return await self._run(self._calls.net_peers(cursor, limit))

    async def net_evidence(self, cursor: str | None = None, limit: int = 100) -> answers.EvidencePage:
        return await self._run(self._calls.net_evidence(cursor, limit))

    async def net_validators(self, height: int | None = None) -> answers.ValidatorsPage:
        return await self._run(self._calls.net_validators(height))

    async def chain_block(self, height: int | None = None, digest: bytes | None = None) -> answers.BlockAnswer:
        return await self._run(self._calls.chain_block(height, digest))

    async def chain_checkpoint(self, height: int | None = None) -> answers.CheckpointProof:
        return await self._run(self._calls.chain_checkpoint(height))

    async def chain_genesis(self) -> answers.GenesisAnswer:
        return await self._run(self._calls.chain_genesis())

    async def discover(self) -> dict[str, Any]:
        return await self._run(self._calls.discover())

    async def tx_submit(self, encoded: bytes) -> answers.SubmitAnswer:
        return await self._run(self._calls.tx_submit(encoded))

    async def tx_submit_many(self, transactions: Sequence[bytes]) -> list[answers.SubmitAnswer | RpcError]:
        return await self._run(self._calls.tx_submit_many(transactions))

    async def tx_get(self, transaction_id: bytes) -> answers.TransactionAnswer:
        return await self._run(self._calls.tx_get(transaction_id))

    async def tx_wait(self, transaction_id: bytes, timeout_ms: int) -> answers.TransactionAnswer:
        return await self._run(self._calls.tx_wait(transaction_id, timeout_ms))

    async def tx_simulate(self, body: Body) -> answers.SimulationAnswer:
        return await self._run(self._calls.tx_simulate(body))

    async def account_get(self, address: str, cursor: str | None = None, limit: int = 100) -> answers.AccountAnswer:
        return await self._run(self._calls.account_get(address, cursor, limit))

    async def account_history(
        self, address: str, cursor: str | None = None, limit: int = 100
    ) -> answers.HistoryPageAnswer:
        return await self._run(self._calls.account_history(address, cursor, limit))

    async def account_statement(
        self,
        address: str,
        asset: str,
        from_ms: int = 0,
        to_ms: int | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> answers.StatementAnswer:
        return await self._run(self._calls.account_statement(address, asset, from_ms, to_ms, cursor, limit))

    async def contract_list(self, cursor: str | None = None, limit: int = 100) -> answers.ContractsPage:
        return await self._run(self._calls.contract_list(cursor, limit))

    async def contract_abi(self, contract: str) -> answers.AbiAnswer:
        return await self._run(self._calls.contract_abi(contract))

    async def contract_query(
        self, contract: str, method: str, arguments: Sequence[Value] = (), sender: str | None = None
    ) -> answers.QueryAnswer:
        return await self._run(self._calls.contract_query(contract, method, arguments, sender))

    async def state_proof(self, key: bytes) -> answers.StateProofAnswer:
        return await self._run(self._calls.state_proof(key))

    async def balance_proof(self, address: str, asset: str) -> answers.StateProofAnswer:
        return await self._run(self._calls.balance_proof(address, asset))

    async def receipt_proof(self, transaction_id: bytes, event_index: int | None = None) -> answers.ReceiptProofAnswer:
        return await self._run(self._calls.receipt_proof(transaction_id, event_index))

    async def events_get(
        self,
        from_height: int = 0,
        cursor: str | None = None,
        limit: int = 100,
        contract: str | None = None,
        name: str | None = None,
        account: str | None = None,
    ) -> answers.EventsPage:
        return await self._run(self._calls.events_get(from_height, cursor, limit, contract, name, account))

    async def submit_and_wait(self, signed: Transaction, timeout_ms: int) -> answers.TransactionAnswer:
        return await self._run(self._calls.submit_and_wait(signed, timeout_ms))

    async def send(
        self,
        calls: Sequence[Call],
        sender: str,
        keys: Sequence[KeyPair],
        *,
        fuel_limit: int | None = None,
        timeout_ms: int = WAIT_MS_MAX,
    ) -> Sent:
        return await self._run(self._calls.send(calls, sender, keys, fuel_limit=fuel_limit, timeout_ms=timeout_ms))

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
        headers = {"Content-Type": "application/json"}
        failure = Failure("")
        for _ in range(2):
            try:
                async with self._session.post(
                    action.url, data=action.body, headers=headers, timeout=timeout
                ) as response:
                    return Reply(response.status, await response.read())
            except aiohttp.ServerDisconnectedError as fault:
                failure = Failure(f"{type(fault).__name__}: {fault}")
            except (aiohttp.ClientError, TimeoutError) as fault:
                return Failure(f"{type(fault).__name__}: {fault}")
        return failure
