"""What a submission costs above the node, in processor time, so that a busy machine changes little."""

import json
import logging
import time

from rpc.backend import SubmitResult, Submitted, TransactionStatus
from rpc.dispatch import Dispatcher
from rpc.methods import method_table
from rpc.text import hex_of
from tests.rpc.memory_node import MemoryNode, payment

BATCH = 50
MICROSECONDS_MAX = 40
"""Well below one signature check by libsodium."""


class TakesAll:
    """Takes everything unseen, so that nothing but rpc is measured."""

    async def submit_many(self, transactions: list[bytes]) -> list[SubmitResult]:
        return [Submitted(encoded[:32], TransactionStatus.PENDING) for encoded in transactions]


async def test_a_submission_in_a_batch_is_cheap() -> None:
    dispatcher = Dispatcher(method_table(TakesAll(), MemoryNode(), "0.1.0"), logging.getLogger("tests.rpc"))
    calls = [
        {"jsonrpc": "2.0", "id": number, "method": "tx_submit", "params": [hex_of(payment(1, number).encoded)]}
        for number in range(BATCH)
    ]
    body = json.dumps(calls).encode()
    costs = []
    for _ in range(10):
        started = time.process_time()
        for _ in range(10):
            answer = await dispatcher.answer(body)
        costs.append((time.process_time() - started) / (10 * BATCH) * 1e6)
    assert answer is not None
    assert len(json.loads(answer)) == BATCH
    assert min(costs) < MICROSECONDS_MAX
