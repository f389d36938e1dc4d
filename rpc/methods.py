"""The methods of JSON-RPC: each checks and turns its parameters, asks the node, and renders what it says.

A method is one coroutine of ``Methods`` and one row of ``method_table``; rpc.discover is made from the rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from rpc import answers, openrpc, parameters, render
from rpc.backend import WAIT_MS_MAX, EventFilter, Intake, Queries, Refused, SubmitResult
from rpc.dispatch import Method
from rpc.errors import CALL_FAILED, RpcError, error, rejected
from rpc.text import argument_of, bytes_of, cursor_of, digest_of, hex_of, natural_of, optional_natural
from state import codec, receipt, transaction
from state.codec import INT_MAX, Value
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, SUITE_ED25519
from state.transaction import KEYS_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_VERSION, Body

WAITS_MAX = 4_096
"""Most calls of tx_wait that wait at once, from all callers."""

CHANGES_MAX = 16
"""Changes of the validators in one answer: of a hundred validators, each takes 20 kB."""

T = TypeVar("T")


class Methods:
    """The handlers, over one node."""

    def __init__(self, intake: Intake, queries: Queries) -> None:
        self._intake = intake
        self._queries = queries
        self._waits = 0

    async def node_status(self, params: parameters.NoParameters) -> answers.NodeStatus:
        return render.node_status(await self._queries.node())

    async def net_peers(self, params: parameters.PageParameters) -> answers.PeersPage:
        peers = [render.peer(fact) for fact in await self._queries.peers()]
        page, next_cursor = _slice(peers, params.cursor, params.limit)
        return answers.PeersPage(tuple(page), next_cursor, next_cursor is None)

    async def net_validators(self, params: parameters.ValidatorsParameters) -> answers.ValidatorsPage:
        fact = await self._queries.validators(optional_natural(params.height))
        page, next_cursor = _slice(render.validators(fact.validators), params.cursor, params.limit)
        return answers.ValidatorsPage(
            height=str(fact.height),
            quorum=fact.validators.quorum,
            faulty_max=fact.validators.faulty_max,
            validators_digest=hex_of(fact.validators.digest),
            validators=tuple(page),
            next_cursor=next_cursor,
            complete=next_cursor is None,
        )

    async def net_succession(self, params: parameters.ChangesParameters) -> answers.ValidatorChanges:
        found = await self._queries.validator_changes(natural_of(params.after_height), CHANGES_MAX + 1)
        changes = [
            answers.ValidatorChange(
                str(change.first_height), render.validators(change.validators), hex_of(change.encode())
            )
            for change in found[:CHANGES_MAX]
        ]
        return answers.ValidatorChanges(tuple(changes), len(found) <= CHANGES_MAX)

    async def net_evidence(self, params: parameters.PageParameters) -> answers.EvidencePage:
        found = [render.evidence(fact) for fact in await self._queries.evidence()]
        page, next_cursor = _slice(found, params.cursor, params.limit)
        return answers.EvidencePage(tuple(page), next_cursor, next_cursor is None)

    async def chain_block(self, params: parameters.BlockParameters) -> answers.BlockAnswer:
        if params.digest is None:
            return render.block(await self._queries.block(optional_natural(params.height)))
        if params.height is not None:
            raise error("invalid_params", "A block is asked for by height or by digest, not both.")
        return render.block(await self._queries.block_by_digest(digest_of(params.digest)))

    async def chain_checkpoint(self, params: parameters.HeightParameters) -> answers.CheckpointProof:
        return render.checkpoint(await self._queries.checkpoint(optional_natural(params.height)))

    async def chain_genesis(self, params: parameters.NoParameters) -> answers.GenesisAnswer:
        fact = await self._queries.genesis()
        return answers.GenesisAnswer(hex_of(fact.chain_id), fact.document.decode())

    async def tx_submit(self, params: parameters.SubmitParameters) -> answers.SubmitAnswer:
        (answer,) = await self.tx_submit_many([params])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def tx_submit_many(self, params: list[parameters.SubmitParameters]) -> list[answers.SubmitAnswer | RpcError]:
        """tx_submit in bulk: the node sees all transactions of a batch at once."""
        taken: list[bytes] = []
        places: list[int] = []
        results: list[answers.SubmitAnswer | RpcError] = [error("malformed")] * len(params)
        for index, entry in enumerate(params):
            try:
                taken.append(bytes_of(entry.transaction))
            except Invalid as refusal:
                results[index] = error(refusal.reason.value, refusal.detail)
            else:
                places.append(index)
        submitted = await self._intake.submit_many(taken) if taken else []
        for index, result in zip(places, submitted, strict=True):
            results[index] = _submit_answer(result)
        return results

    async def tx_get(self, params: parameters.HashParameters) -> answers.TransactionAnswer:
        return render.transaction(await self._queries.transaction(digest_of(params.hash)))

    async def tx_wait(self, params: parameters.WaitParameters) -> answers.TransactionAnswer:
        transaction_id, timeout_ms = digest_of(params.hash), natural_of(params.timeout_ms)
        if self._waits == WAITS_MAX:
            raise error("busy", f"{WAITS_MAX} callers are waiting; ask tx_get meanwhile.")
        if timeout_ms == 0:
            return render.transaction(await self._queries.transaction(transaction_id))
        self._waits += 1
        try:
            fact = await self._queries.wait_transaction(transaction_id, min(timeout_ms, WAIT_MS_MAX))
        finally:
            self._waits -= 1
        return render.transaction(fact)

    async def tx_simulate(self, params: parameters.SimulateParameters) -> answers.SimulationAnswer:
        if (params.body is None) == (params.transaction is None):
            raise error("invalid_params", "One of body and transaction is given.")
        if params.body is not None:
            body = _unsigned(bytes_of(params.body))
        else:
            body = transaction.decode(bytes_of(params.transaction or "0x")).body
        return render.simulation(await self._queries.simulate(body))

    async def account_get(self, params: parameters.AccountParameters) -> answers.AccountAnswer:
        return render.account(await self._queries.account(params.address, cursor_of(params.cursor), params.limit))

    async def account_history(self, params: parameters.AccountParameters) -> answers.HistoryPageAnswer:
        page = await self._queries.account_history(params.address, cursor_of(params.cursor), params.limit)
        return render.history(page)

    async def account_statement(self, params: parameters.StatementParameters) -> answers.StatementAnswer:
        from_ms = natural_of(params.from_ms)
        to_ms = INT_MAX - 1 if params.to_ms is None else min(natural_of(params.to_ms), INT_MAX - 1)
        return render.statement(
            await self._queries.account_statement(
                params.address, params.asset, from_ms, to_ms, cursor_of(params.cursor), params.limit
            )
        )

    async def contract_list(self, params: parameters.PageParameters) -> answers.ContractsPage:
        page = await self._queries.contracts(cursor_of(params.cursor), params.limit)
        return answers.ContractsPage(
            str(page.height),
            tuple(map(render.contract, page.contracts)),
            None if page.next_cursor is None else hex_of(page.next_cursor),
            page.next_cursor is None,
        )

    async def contract_abi(self, params: parameters.ContractParameters) -> answers.AbiAnswer:
        fact = await self._queries.contract_abi(params.contract)
        return answers.AbiAnswer(str(fact.height), render.contract(fact.contract), msgspec.Raw(fact.abi), fact.source)

    async def contract_query(self, params: parameters.QueryParameters) -> answers.QueryAnswer:
        arguments = [argument_of(value) for value in params.arguments]
        fact = await self._queries.contract_query(params.contract, params.method, arguments, params.sender)
        if fact.code != receipt.OK:
            raise RpcError(CALL_FAILED, fact.code, fact.message)
        return render.query(fact)

    async def state_proof(self, params: parameters.StateProofParameters) -> answers.StateProofAnswer:
        match params.key, params.address, params.asset:
            case str() as key, None, None:
                return render.state_proof(await self._queries.state_proof(bytes_of(key)))
            case None, str() as address, str() as asset:
                return render.state_proof(await self._queries.balance_proof(address, asset))
        raise error("invalid_params", "Either key is given, or address and asset.")

    async def receipt_proof(self, params: parameters.ReceiptProofParameters) -> answers.ReceiptProofAnswer:
        fact = await self._queries.receipt_proof(digest_of(params.hash))
        return render.receipt_proof(fact, params.event_index)

    async def events_get(self, params: parameters.EventsParameters) -> answers.EventsPage:
        chosen = EventFilter(params.contract, params.name, params.account)
        page = await self._queries.events(
            natural_of(params.from_height), cursor_of(params.cursor), params.limit, chosen
        )
        return render.events(page)


def method_table(intake: Intake, queries: Queries, version: str) -> list[Method[Any]]:
    """Every method, rpc.discover first. ``version`` is the node's, for the document."""
    methods = Methods(intake, queries)
    document: list[msgspec.Raw] = []

    async def discover(params: parameters.NoParameters) -> msgspec.Raw:
        return document[0]

    table: list[Method[Any]] = [
        Method("rpc.discover", "This document.", parameters.NoParameters, msgspec.Raw, discover),
        *_node_methods(methods),
        *_transaction_methods(methods),
        *_state_methods(methods),
    ]
    document.append(msgspec.Raw(openrpc.document(table, version)))
    return table


def _node_methods(methods: Methods) -> list[Method[Any]]:
    return [
        Method(
            "node_status",
            "The node that answers: its heights, root, pool, and whether it is ready.",
            parameters.NoParameters,
            answers.NodeStatus,
            methods.node_status,
        ),
        Method(
            "net_peers",
            "The other members' nodes and whether a link is up.",
            parameters.PageParameters,
            answers.PeersPage,
            methods.net_peers,
            ("malformed",),
        ),
        Method(
            "net_validators",
            "The validators of a height and the quorum.",
            parameters.ValidatorsParameters,
            answers.ValidatorsPage,
            methods.net_validators,
            ("malformed", "unknown"),
        ),
        Method(
            "net_succession",
            "How one validator set followed another, with what proves it.",
            parameters.ChangesParameters,
            answers.ValidatorChanges,
            methods.net_succession,
            ("malformed", "unavailable"),
        ),
        Method(
            "net_evidence",
            "Validators that signed two contradictory votes, and what proves it.",
            parameters.PageParameters,
            answers.EvidencePage,
            methods.net_evidence,
            ("malformed",),
            is_heavy=True,
        ),
        Method(
            "chain_block",
            "A block by height or digest, with its commit certificate.",
            parameters.BlockParameters,
            answers.BlockAnswer,
            methods.chain_block,
            ("malformed", "unknown"),
            is_heavy=True,
        ),
        Method(
            "chain_checkpoint",
            "The certificate by which a quorum vouches for the state after a height.",
            parameters.HeightParameters,
            answers.CheckpointProof,
            methods.chain_checkpoint,
            ("malformed", "unknown", "unavailable"),
        ),
        Method(
            "chain_genesis",
            "The genesis document.",
            parameters.NoParameters,
            answers.GenesisAnswer,
            methods.chain_genesis,
        ),
    ]


def _transaction_methods(methods: Methods) -> list[Method[Any]]:
    return [
        Method(
            "tx_submit",
            "Hand in a signed transaction. Accepted means in a pool, not durable; sending it again is always safe.",
            parameters.SubmitParameters,
            answers.SubmitAnswer,
            methods.tx_submit,
            ("malformed", "full", "busy"),
            rejects=(
                *("malformed", "too_large", "bad_version", "bad_address", "bad_signature", "wrong_chain"),
                *("expired", "too_far_ahead", "stranger", "conflict"),
            ),
            bulk=methods.tx_submit_many,
        ),
        Method(
            "tx_get",
            "Where a transaction stands; once executed, its receipt.",
            parameters.HashParameters,
            answers.TransactionAnswer,
            methods.tx_get,
            ("malformed",),
        ),
        Method(
            "tx_wait",
            "As tx_get, once the transaction is final, failed or expired; at the timeout as it then stands.",
            parameters.WaitParameters,
            answers.TransactionAnswer,
            methods.tx_wait,
            ("malformed", "busy"),
            waits=True,
        ),
        Method(
            "tx_simulate",
            "What a transaction would do on the latest state. Nothing is kept; signatures are not needed.",
            parameters.SimulateParameters,
            answers.SimulationAnswer,
            methods.tx_simulate,
            ("malformed", "too_large", "bad_version", "bad_address", "wrong_chain", "expired", "too_far_ahead"),
        ),
        Method(
            "receipt_proof",
            "A receipt, its inclusion proof and the checkpoint certificate in one answer; one event's proof if asked.",
            parameters.ReceiptProofParameters,
            answers.ReceiptProofAnswer,
            methods.receipt_proof,
            ("malformed", "unknown", "unavailable"),
            is_heavy=True,
        ),
        Method(
            "events_get",
            "Events in the order of the chain. Keep next_cursor: it is where to go on, whatever happens to the link.",
            parameters.EventsParameters,
            answers.EventsPage,
            methods.events_get,
            ("malformed", "bad_address", "gap"),
            is_heavy=True,
        ),
    ]


def _state_methods(methods: Methods) -> list[Method[Any]]:
    return [
        Method(
            "account_get",
            "An account's policy and balances.",
            parameters.AccountParameters,
            answers.AccountAnswer,
            methods.account_get,
            ("malformed", "bad_address", "unknown"),
        ),
        Method(
            "account_history",
            "The transactions that touched an account, newest first.",
            parameters.AccountParameters,
            answers.HistoryPageAnswer,
            methods.account_history,
            ("malformed", "bad_address", "unknown"),
            is_heavy=True,
        ),
        Method(
            "account_statement",
            "What moved an account's money of one asset in a period, oldest first: opening + movements = closing.",
            parameters.StatementParameters,
            answers.StatementAnswer,
            methods.account_statement,
            ("malformed", "bad_address", "unknown"),
            is_heavy=True,
        ),
        Method(
            "contract_list",
            "The deployed contracts.",
            parameters.PageParameters,
            answers.ContractsPage,
            methods.contract_list,
            ("malformed",),
        ),
        Method(
            "contract_abi",
            "A contract's methods, their schemas, and its source.",
            parameters.ContractParameters,
            answers.AbiAnswer,
            methods.contract_abi,
            ("unknown",),
        ),
        Method(
            "contract_query",
            "Run a contract's query on the latest state.",
            parameters.QueryParameters,
            answers.QueryAnswer,
            methods.contract_query,
            ("malformed", "bad_address", "unknown", "call_failed"),
        ),
        Method(
            "state_proof",
            "A state value or its absence, its proof and the checkpoint certificate in one answer.",
            parameters.StateProofParameters,
            answers.StateProofAnswer,
            methods.state_proof,
            ("malformed", "bad_address", "too_large", "unavailable"),
        ),
    ]


def _submit_answer(result: SubmitResult) -> answers.SubmitAnswer | RpcError:
    if isinstance(result, Refused):
        return rejected(result.reason, result.detail, result.retry_after_ms)
    return render.submitted(result)


def _unsigned(encoded: bytes) -> Body:
    """Read a body, by giving it as many empty signatures as it names keys; it may name none.

    :raises Invalid: as transaction.decode.
    """
    value = codec.decode(encoded, TRANSACTION_VERSION, TRANSACTION_BYTES_MAX)
    if type(value) is not list or not value:
        raise Invalid(Reason.MALFORMED, "a transaction's body is a list of its fields")
    if keys := codec.items(value[-1], KEYS_MAX):
        return _assembled(encoded, len(keys))
    placeholder: list[Value] = [[SUITE_ED25519, bytes(PUBLIC_KEY_BYTES)]]
    return replace(_assembled(codec.encode(TRANSACTION_VERSION, [*value[:-1], placeholder]), 1), keys=())


def _assembled(encoded: bytes, signatures_count: int) -> Body:
    signatures = [bytes(SIGNATURE_BYTES)] * signatures_count
    return transaction.decode(codec.encode(TRANSACTION_VERSION, [encoded, signatures])).body


def _slice(items: Sequence[T], cursor: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """A page of a list that fits in memory, and the next page's cursor: the index that it starts at."""
    start = 0 if cursor is None else int.from_bytes(bytes_of(cursor)[:8], "big")
    stop = start + limit
    return items[start:stop], hex_of(stop.to_bytes(8, "big")) if stop < len(items) else None
