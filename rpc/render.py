"""From the node's facts to the answers: hex, decimal text and the shapes of rpc.answers. Pure functions."""

from rpc import answers, backend
from rpc.certificates import checkpoint_answer, commit_answer
from rpc.text import hex_of, optional_hex, shown
from state import codec, merkle
from state.digest import DIGEST_BYTES
from state.errors import Invalid, Reason
from state.policy import Policy
from state.receipt import Event, Receipt
from state.validators import ValidatorSet


def node_status(fact: backend.NodeFact) -> answers.NodeStatus:
    """For node_status."""
    return answers.NodeStatus(
        version=fact.version,
        chain_id=hex_of(fact.chain_id),
        address_prefix=fact.address_prefix,
        node_id=hex_of(fact.node_id),
        member=fact.member,
        role=fact.role,
        height=str(fact.height),
        decided_height=str(fact.decided_height),
        certified_height=str(fact.certified_height),
        target_height=str(fact.target_height),
        block_digest=hex_of(fact.block_digest),
        state_root=hex_of(fact.state_root),
        block_time_ms=str(fact.block_time_ms),
        view=str(fact.view),
        peers=fact.peers,
        pool_count=fact.pool_count,
        pool_bytes=fact.pool_bytes,
        ready=not fact.not_ready,
        not_ready=fact.not_ready,
        protocol_version=fact.protocol_version,
        protocol_known=fact.protocol_known,
        next_protocol_version=None if fact.next_protocol is None else fact.next_protocol[1],
        next_protocol_height=None if fact.next_protocol is None else str(fact.next_protocol[0]),
        warnings=fact.warnings,
    )


def peer(fact: backend.PeerFact) -> answers.Peer:
    """For net_peers."""
    return answers.Peer(
        fact.member,
        hex_of(fact.node_id),
        fact.role,
        fact.connected,
        str(fact.height),
        fact.address,
        fact.version,
        fact.protocol_known,
    )


def evidence(fact: backend.EvidenceFact) -> answers.EvidenceAnswer:
    """One piece of evidence."""
    return answers.EvidenceAnswer(
        fact.member,
        str(fact.height),
        fact.votes,
        hex_of(fact.encoded),
        None if fact.number is None else str(fact.number),
        None if fact.reported_ms is None else str(fact.reported_ms),
    )


def validators(chosen: ValidatorSet) -> tuple[answers.ValidatorAnswer, ...]:
    """A whole set, at most 100."""
    return tuple(
        answers.ValidatorAnswer(index, validator.member, hex_of(validator.vote_key))
        for index, validator in enumerate(chosen.validators)
    )


def block(fact: backend.BlockFact) -> answers.BlockAnswer:
    """For chain_block."""
    header = fact.block.header
    return answers.BlockAnswer(
        height=str(header.height),
        block_digest=hex_of(fact.block.digest),
        parent_digest=hex_of(header.parent),
        block_time_ms=str(header.timestamp_ms),
        proposer=hex_of(header.proposer),
        transaction_root=hex_of(header.transaction_root),
        validators_digest=hex_of(header.validators_digest),
        transactions=tuple(hex_of(entry[:DIGEST_BYTES]) for entry in fact.block.entries),
        signature_digests=tuple(hex_of(entry[DIGEST_BYTES:]) for entry in fact.block.entries),
        failed_count=fact.failed_count,
        encoded_header=hex_of(fact.block.encoded_header),
        certificate=commit_answer(fact.certificate),
        latest_height=str(fact.latest_height),
        scheduled=tuple(map(hex_of, fact.scheduled)),
    )


def checkpoint(fact: backend.CheckpointFact) -> answers.CheckpointProof:
    """For chain_checkpoint."""
    return answers.CheckpointProof(
        str(fact.certificate.vote.height),
        checkpoint_answer(fact.certificate),
        validators(fact.validators),
        str(fact.latest_height),
    )


def submitted(result: backend.Submitted) -> answers.SubmitAnswer:
    """For tx_submit."""
    status = result.status
    is_durable = status is backend.TransactionStatus.FINAL or status is backend.TransactionStatus.FAILED
    return answers.SubmitAnswer("0x" + result.transaction_id.hex(), status, is_durable)


def event(fact: Event) -> answers.EventAnswer:
    """An event, readable and encoded."""
    fields = {name: shown(value) for name, value in fact.fields}
    return answers.EventAnswer(fact.contract, fact.name, fields, hex_of(fact.encode()))


def receipt(fact: Receipt) -> answers.ReceiptAnswer:
    """A receipt, readable and encoded."""
    return answers.ReceiptAnswer(
        hash=hex_of(fact.transaction_id),
        code=fact.code,
        message=fact.message,
        fuel_used=str(fact.fuel_used),
        results=tuple(shown(value) for value in fact.results),
        events=tuple(event(entry) for entry in fact.events),
        encoded=hex_of(fact.encode()),
    )


def transaction(fact: backend.TransactionFact) -> answers.TransactionAnswer:
    """For tx_get and tx_wait."""
    return answers.TransactionAnswer(
        hash=hex_of(fact.transaction_id),
        status=fact.status,
        indexed_height=str(fact.indexed_height),
        height=None if fact.height is None else str(fact.height),
        index=fact.index,
        block_time_ms=None if fact.block_time_ms is None else str(fact.block_time_ms),
        receipt=None if fact.receipt is None else receipt(fact.receipt),
        transaction=optional_hex(fact.encoded),
        cause=fact.cause,
    )


def simulation(fact: backend.SimulationFact) -> answers.SimulationAnswer:
    """For tx_simulate."""
    return answers.SimulationAnswer(
        str(fact.height),
        str(fact.block_time_ms),
        fact.receipt.is_ok,
        str(fact.receipt.fuel_used),
        receipt(fact.receipt),
        tuple(answers.AuthorityAnswer(address, met) for address, met in fact.authorities),
        None if fact.fee is None else fee(fact.fee),
    )


def fee(fact: backend.FeeFact) -> answers.FeeAnswer:
    """What a transaction would pay."""
    return answers.FeeAnswer(fact.payer, fact.asset, str(fact.amount), str(fact.base), str(fact.per_million))


def policy(fact: Policy) -> answers.PolicyAnswer:
    """An account's policy."""
    keys = tuple(answers.KeyAnswer(suite, hex_of(public), weight) for suite, public, weight in fact.keys)
    return answers.PolicyAnswer(keys, fact.threshold)


def account(fact: backend.AccountFact) -> answers.AccountAnswer:
    """For account_get."""
    return answers.AccountAnswer(
        height=str(fact.height),
        address=fact.address,
        kind=fact.kind,
        bank=fact.bank,
        frozen=bool(fact.freezes),
        freezes=tuple(
            answers.FreezeAnswer(
                str(entry.order),
                entry.reference,
                entry.subject,
                entry.asset,
                str(entry.amount),
                entry.stops,
                str(entry.expires_ms),
            )
            for entry in fact.freezes
        ),
        policy=None if fact.policy is None else policy(fact.policy),
        balances=tuple(
            answers.BalanceAnswer(entry.asset, str(entry.amount), str(entry.held)) for entry in fact.balances
        ),
        next_cursor=optional_hex(fact.next_cursor),
        complete=fact.next_cursor is None,
    )


def history(fact: backend.HistoryPage) -> answers.HistoryPageAnswer:
    """For account_history."""
    entries = tuple(
        answers.HistoryAnswer(
            hex_of(entry.transaction_id),
            str(entry.height),
            entry.index,
            str(entry.block_time_ms),
            entry.code,
            entry.cause,
        )
        for entry in fact.entries
    )
    return answers.HistoryPageAnswer(
        entries, optional_hex(fact.next_cursor), fact.next_cursor is None, str(fact.indexed_height)
    )


def statement(fact: backend.StatementFact) -> answers.StatementAnswer:
    """For account_statement."""
    movements = tuple(
        answers.MovementAnswer(
            hex_of(entry.transaction_id),
            str(entry.height),
            entry.index,
            str(entry.block_time_ms),
            str(entry.change),
            str(entry.balance),
            entry.purpose,
            entry.reference,
            entry.contract,
        )
        for entry in fact.movements
    )
    return answers.StatementAnswer(
        fact.address,
        fact.asset,
        str(fact.opening),
        movements,
        str(fact.closing),
        optional_hex(fact.next_cursor),
        fact.next_cursor is None,
        str(fact.indexed_height),
    )


def contract(fact: backend.ContractFact) -> answers.ContractAnswer:
    """A deployed contract."""
    return answers.ContractAnswer(
        fact.name,
        fact.address,
        fact.interface,
        hex_of(fact.source_digest),
        str(fact.deployed_height),
        fact.paused,
    )


def query(fact: backend.QueryFact) -> answers.QueryAnswer:
    """For contract_query, of a query that went well."""
    return answers.QueryAnswer(
        str(fact.height),
        str(fact.block_time_ms),
        shown(fact.value),
        hex_of(codec.pack(fact.value)),
        str(fact.fuel_used),
    )


def state_proof(fact: backend.StateProofFact) -> answers.StateProofAnswer:
    """For state_proof."""
    return answers.StateProofAnswer(
        height=str(fact.certificate.vote.height),
        key=hex_of(fact.key),
        value=optional_hex(fact.value),
        proof=answers.TreeProof(tuple(map(hex_of, fact.proof.levels)), hex_of(fact.proof.bucket)),
        certificate=checkpoint_answer(fact.certificate),
    )


def receipt_proof(fact: backend.ReceiptProofFact, event_index: int | None) -> answers.ReceiptProofAnswer:
    """For receipt_proof. :raises Invalid: UNKNOWN for an event that the receipt has not got."""
    return answers.ReceiptProofAnswer(
        height=str(fact.certificate.vote.height),
        index=fact.index,
        count=fact.count,
        receipt=receipt(fact.receipt),
        proof=tuple(map(hex_of, fact.proof)),
        certificate=checkpoint_answer(fact.certificate),
        event=None if event_index is None else _event_proof(fact.receipt, event_index),
    )


def _event_proof(fact: Receipt, index: int) -> answers.EventProof:
    if index >= len(fact.events):
        raise Invalid(Reason.UNKNOWN, f"the receipt has {len(fact.events)} events, counted from 0")
    leaves = [entry.encode() for entry in fact.events]
    proof = merkle.inclusion_proof(leaves, index)
    return answers.EventProof(index, len(leaves), hex_of(leaves[index]), tuple(map(hex_of, proof)))


def events(fact: backend.EventPage) -> answers.EventsPage:
    """For events_get."""
    entries = tuple(
        answers.EventEntry(
            height=str(entry.height),
            block_time_ms=str(entry.block_time_ms),
            hash=hex_of(entry.transaction_id),
            transaction_index=entry.transaction_index,
            event_index=entry.event_index,
            event=event(entry.event),
            cause=entry.cause,
        )
        for entry in fact.events
    )
    return answers.EventsPage(entries, hex_of(fact.next_cursor), fact.complete, str(fact.indexed_height))
