"""The methods of JSON-RPC as flows with typed results, and what is made of several: send and follow a transaction."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rpc import answers
from rpc.backend import WAIT_MS_MAX, TransactionStatus
from rpc.client.core import Core, Flow, Pause, Request
from rpc.errors import CALL_FAILED, RpcError
from rpc.submissions import TRANSACTIONS_MAX
from rpc.text import argument_to_json, bytes_of, hex_of
from state import receipt, transaction
from state.codec import Value
from state.keys import SUITE_ED25519, KeyPair
from state.transaction import CLIENT_ID_BYTES, Body, Call, Transaction

VALID_MS = 120_000
"""How long a transaction that the client builds may execute, from now by this machine's clock."""

FUEL_LIMIT_TO_SIMULATE = 10_000_000
"""Fuel limit of a simulation; the signed transaction then gets what that used and a quarter more."""

FUEL_MARGIN = 10_000

ENDED = (TransactionStatus.FINAL, TransactionStatus.FAILED, TransactionStatus.EXPIRED)
"""Statuses that never change again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a transaction that was built, simulated, signed, submitted and waited for."""

    transaction: Transaction
    """Keep it: sending ``transaction.encoded`` again is always safe."""
    simulation: answers.SimulationAnswer | None
    outcome: answers.TransactionAnswer
    """Status ``pending`` or ``unknown`` where the time ran out first."""


class Calls(Core):
    """Every method as a flow."""

    def node_status(self) -> Flow[answers.NodeStatus]:
        return self._ask("node_status", answers.NodeStatus)

    def net_peers(self, cursor: str | None = None, limit: int = 100) -> Flow[answers.PeersPage]:
        return self._ask("net_peers", answers.PeersPage, cursor=cursor, limit=limit)

    def net_evidence(self, cursor: str | None = None, limit: int = 100) -> Flow[answers.EvidencePage]:
        return self._ask("net_evidence", answers.EvidencePage, cursor=cursor, limit=limit)

    def net_validators(self, height: int | None = None) -> Flow[answers.ValidatorsPage]:
        return self._ask("net_validators", answers.ValidatorsPage, height=_text(height))

    def net_succession(self, after_height: int = 0) -> Flow[answers.ValidatorChanges]:
        return self._ask("net_succession", answers.ValidatorChanges, after_height=str(after_height))

    def chain_block(self, height: int | None = None, digest: bytes | None = None) -> Flow[answers.BlockAnswer]:
        return self._ask("chain_block", answers.BlockAnswer, height=_text(height), digest=_hex(digest))

    def chain_checkpoint(self, height: int | None = None) -> Flow[answers.CheckpointProof]:
        return self._ask("chain_checkpoint", answers.CheckpointProof, height=_text(height))

    def chain_genesis(self) -> Flow[answers.GenesisAnswer]:
        return self._ask("chain_genesis", answers.GenesisAnswer)

    def discover(self) -> Flow[dict[str, Any]]:
        return self._ask("rpc.discover", dict[str, Any])

    def tx_submit(self, encoded: bytes) -> Flow[answers.SubmitAnswer]:
        """To the next node where one is down: the same bytes, so never twice."""
        return self._ask("tx_submit", answers.SubmitAnswer, transaction=hex_of(encoded))

    def tx_submit_many(self, transactions: Sequence[bytes]) -> Flow[list[answers.SubmitAnswer | RpcError]]:
        """Any number, 1,000 to a body; a refusal stands in its place. What finds the network busy is sent again when
        the node says, until the policy's time for that is used up; then it is among the refusals."""
        results: list[answers.SubmitAnswer | RpcError] = []
        for start in range(0, len(transactions), TRANSACTIONS_MAX):
            results += yield from self._submit_part(transactions[start : start + TRANSACTIONS_MAX])
        return results

    def tx_get(self, transaction_id: bytes) -> Flow[answers.TransactionAnswer]:
        return self._ask("tx_get", answers.TransactionAnswer, hash=hex_of(transaction_id))

    def tx_wait(self, transaction_id: bytes, timeout_ms: int) -> Flow[answers.TransactionAnswer]:
        """Any time-out: what passes the node's own limit is asked for again. Ends as pending, never by an error."""
        while True:
            turn_ms = min(timeout_ms, WAIT_MS_MAX)
            params = {"hash": hex_of(transaction_id), "timeout_ms": str(turn_ms)}
            answer: answers.TransactionAnswer = yield from self.call(
                Request("tx_wait", params, answers.TransactionAnswer), turn_ms / 1000
            )
            timeout_ms -= turn_ms
            if answer.status in ENDED or timeout_ms <= 0:
                return answer

    def tx_simulate(self, body: Body) -> Flow[answers.SimulationAnswer]:
        return self._ask("tx_simulate", answers.SimulationAnswer, body=hex_of(body.encode()))

    def account_get(self, address: str, cursor: str | None = None, limit: int = 100) -> Flow[answers.AccountAnswer]:
        return self._ask("account_get", answers.AccountAnswer, address=address, cursor=cursor, limit=limit)

    def account_history(
        self, address: str, cursor: str | None = None, limit: int = 100
    ) -> Flow[answers.HistoryPageAnswer]:
        return self._ask("account_history", answers.HistoryPageAnswer, address=address, cursor=cursor, limit=limit)

    def account_statement(
        self,
        address: str,
        asset: str,
        from_ms: int = 0,
        to_ms: int | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Flow[answers.StatementAnswer]:
        period = {"from_ms": str(from_ms), "to_ms": None if to_ms is None else str(to_ms)}
        return self._ask(
            "account_statement",
            answers.StatementAnswer,
            address=address,
            asset=asset,
            **period,
            cursor=cursor,
            limit=limit,
        )

    def contract_list(self, cursor: str | None = None, limit: int = 100) -> Flow[answers.ContractsPage]:
        return self._ask("contract_list", answers.ContractsPage, cursor=cursor, limit=limit)

    def contract_abi(self, contract: str) -> Flow[answers.AbiAnswer]:
        return self._ask("contract_abi", answers.AbiAnswer, contract=contract)

    def contract_query(
        self, contract: str, method: str, arguments: Sequence[Value] = (), sender: str | None = None
    ) -> Flow[answers.QueryAnswer]:
        listed = [argument_to_json(value) for value in arguments]
        return self._ask(
            "contract_query", answers.QueryAnswer, contract=contract, method=method, arguments=listed, sender=sender
        )

    def state_proof(self, key: bytes) -> Flow[answers.StateProofAnswer]:
        return self._ask("state_proof", answers.StateProofAnswer, key=hex_of(key))

    def balance_proof(self, address: str, asset: str) -> Flow[answers.StateProofAnswer]:
        return self._ask("state_proof", answers.StateProofAnswer, address=address, asset=asset)

    def receipt_proof(self, transaction_id: bytes, event_index: int | None = None) -> Flow[answers.ReceiptProofAnswer]:
        return self._ask(
            "receipt_proof", answers.ReceiptProofAnswer, hash=hex_of(transaction_id), event_index=event_index
        )

    def events_get(
        self,
        from_height: int = 0,
        cursor: str | None = None,
        limit: int = 100,
        contract: str | None = None,
        name: str | None = None,
        account: str | None = None,
    ) -> Flow[answers.EventsPage]:
        return self._ask(
            "events_get",
            answers.EventsPage,
            from_height=str(from_height),
            cursor=cursor,
            limit=limit,
            contract=contract,
            name=name,
            account=account,
        )

    def submit_and_wait(self, signed: Transaction, timeout_ms: int) -> Flow[answers.TransactionAnswer]:
        """Submit, and follow to the end or the time-out. What is only pending there is handed in again: it may be
        lost with the node that took it."""
        yield from self.tx_submit(signed.encoded)
        while True:
            turn_ms = min(timeout_ms, WAIT_MS_MAX)
            answer = yield from self.tx_wait(signed.id, turn_ms)
            timeout_ms -= turn_ms
            if answer.status in ENDED or timeout_ms <= 0:
                return answer
            try:
                yield from self.tx_submit(signed.encoded)
            except RpcError:
                # Taken in before and refused now: tx_wait knows what has become of it.
                pass

    def send(
        self,
        calls: Sequence[Call],
        sender: str,
        keys: Sequence[KeyPair],
        *,
        fuel_limit: int | None = None,
        timeout_ms: int = WAIT_MS_MAX,
    ) -> Flow[Sent]:
        """Build, simulate, sign, submit, wait. A simulation that fails ends it, and nothing was sent.

        :param fuel_limit: None asks the simulation, which is otherwise left out.
        :raises RpcError: refused; ``code`` says why.
        """
        status = yield from self.node_status()
        chain_id = bytes_of(status.chain_id)
        body = build_body(chain_id, sender, calls, keys, fuel_limit or FUEL_LIMIT_TO_SIMULATE)
        simulation = None
        if fuel_limit is None:
            simulation = yield from self.tx_simulate(body)
            if not simulation.ok:
                raise RpcError(CALL_FAILED, simulation.receipt.code, simulation.receipt.message)
            body = replace(body, fuel_limit=limit_after(simulation))
        signed = transaction.sign(body, keys)
        outcome = yield from self.submit_and_wait(signed, timeout_ms)
        return Sent(signed, simulation, outcome)

    def _submit_part(self, transactions: Sequence[bytes]) -> Flow[list[answers.SubmitAnswer | RpcError]]:
        results = yield from self.submissions(transactions)
        waited_seconds = 0.0
        while told_ms := {
            index: result.retry_after_ms
            for index, result in enumerate(results)
            if isinstance(result, RpcError) and result.retry_after_ms is not None
        }:
            pause_seconds = max(told_ms.values()) / 1000
            waited_seconds += pause_seconds
            if waited_seconds > self._policy.busy_seconds_max:
                break
            yield Pause(pause_seconds)
            again = yield from self.submissions([transactions[index] for index in told_ms])
            for index, result in zip(told_ms, again, strict=True):
                results[index] = result
        return results

    def _ask(self, called: str, result: Any, /, **params: Any) -> Flow[Any]:
        given = {name: value for name, value in params.items() if value is not None}
        return self.call(Request(called, given, result))


def limit_after(simulation: answers.SimulationAnswer) -> int:
    """The fuel limit to sign with: what the simulation used, and a quarter more."""
    return int(simulation.fuel_used) * 5 // 4 + FUEL_MARGIN


def fee_max(fee: answers.FeeAnswer, fuel_limit: int) -> int:
    """The most that a transaction of that fuel limit pays, minor units."""
    return int(fee.base) - (-int(fee.per_million) * fuel_limit // 1_000_000)


def build_body(chain_id: bytes, sender: str, calls: Sequence[Call], keys: Sequence[KeyPair], fuel_limit: int) -> Body:
    """A body that is valid for VALID_MS from now, with a client id of its own."""
    return Body(
        chain_id=chain_id,
        sender=sender,
        client_id=os.urandom(CLIENT_ID_BYTES),
        valid_until_ms=int(time.time() * 1000) + VALID_MS,
        fuel_payer=None,
        fuel_limit=fuel_limit,
        calls=tuple(calls),
        keys=tuple((SUITE_ED25519, public) for public in sorted(pair.public for pair in keys)),
    )


def is_ok(answer: answers.TransactionAnswer) -> bool:
    """Whether the transaction is final and all its calls happened."""
    return answer.receipt is not None and answer.receipt.code == receipt.OK


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _hex(data: bytes | None) -> str | None:
    return None if data is None else hex_of(data)
