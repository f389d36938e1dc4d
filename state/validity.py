"""Validity: what a block may list (rule 11), judged from the block, its bodies and the chain's parameters alone.

Whether an id was decided before is the chain's to say; whether a transaction is authorised, paid for and succeeds is
judged at its turn in execution. No node's own configuration ever enters here.
"""

from collections.abc import Sequence

from state.block import Block
from state.errors import Invalid, Reason
from state.parameters import ChainParameters
from state.transaction import Transaction


def check_transaction(transaction: Transaction, chain_id: bytes, parameters: ChainParameters) -> None:
    """Check what does not depend on the block. :raises Invalid: WRONG_CHAIN or TOO_LARGE."""
    body = transaction.body
    if body.chain_id != chain_id:
        raise Invalid(Reason.WRONG_CHAIN, "the transaction was signed for another chain")
    if body.fuel_limit > parameters.transaction_fuel_max:
        limit = parameters.transaction_fuel_max
        raise Invalid(Reason.TOO_LARGE, f"a fuel limit of {body.fuel_limit}, at most {limit} is allowed")


def check_time(transaction: Transaction, time_ms: int, parameters: ChainParameters) -> None:
    """Check that a block of that time may list it. :raises Invalid: EXPIRED or TOO_FAR_AHEAD."""
    valid_until_ms = transaction.body.valid_until_ms
    if valid_until_ms < time_ms:
        raise Invalid(Reason.EXPIRED, f"it was valid until {valid_until_ms}, and the time is {time_ms}")
    if valid_until_ms > time_ms + parameters.transaction_window_ms:
        window = parameters.transaction_window_ms
        raise Invalid(Reason.TOO_FAR_AHEAD, f"it is valid until {valid_until_ms}, more than {window} ms ahead")


def check_body(block: Block, transactions: Sequence[Transaction], parameters: ChainParameters) -> None:
    """Check a block against its bodies, given in its order.

    :raises Invalid: BAD_BLOCK, or as ``check_transaction`` and ``check_time``.
    """
    version = block.header.protocol_version
    if version != parameters.protocol_version:
        in_force = parameters.protocol_version
        raise Invalid(Reason.BAD_BLOCK, f"made under protocol version {version}, and {in_force} is in force there")
    if len(block.entries) > parameters.block_transactions_max:
        raise Invalid(Reason.BAD_BLOCK, f"{len(block.entries)} transactions in one block")
    if [transaction.entry for transaction in transactions] != list(block.entries):
        raise Invalid(Reason.BAD_BLOCK, "the bodies are not those that the block lists")
    if len(set(block.transaction_ids())) != len(block.entries):
        raise Invalid(Reason.BAD_BLOCK, "one transaction is listed twice")
    if sum(len(transaction.encoded) for transaction in transactions) > parameters.block_bytes_max:
        raise Invalid(Reason.BAD_BLOCK, f"more than {parameters.block_bytes_max} bytes of transactions")
    if sum(transaction.body.fuel_limit for transaction in transactions) > parameters.block_fuel_max:
        raise Invalid(Reason.BAD_BLOCK, f"fuel limits beyond {parameters.block_fuel_max} in sum")
    for transaction in transactions:
        check_transaction(transaction, block.header.chain_id, parameters)
        check_time(transaction, block.header.timestamp_ms, parameters)
