"""A wallet that trusts no node: checks answers of an observer with the genesis document and nothing else.

    python verify_answers.py genesis.json < cases.jsonl

Each line of the input is one case: ``name``, ``kind`` (balance, absence or receipt), ``answer`` (the JSON-RPC result
as the observer gave it) and what it is claimed to show: ``address`` and ``asset``, with ``amount`` for a balance;
``hash`` for a receipt. Each line of the output is ``name``, ``verified`` and ``reason``.

It imports the project's checking code (rpc.verify, state, genesis), which needs no database and no network; it opens
no connection and reads no file but the document.
"""

import json
import sys
from pathlib import Path
from typing import Any

from contracts.kernel.layout import balance_key
from genesis.document import Genesis, load
from rpc.verify import verify_balance_answer, verify_receipt_answer, verify_state_answer
from state.errors import Invalid


def check(genesis: Genesis, case: dict[str, Any]) -> str:
    """What the case shows, in words. :raises Invalid: it does not show what it claims."""
    chain_id, validators, answer = genesis.chain_id, genesis.validators(), case["answer"]
    if case["kind"] == "receipt":
        proven = verify_receipt_answer(chain_id, validators, answer, bytes.fromhex(case["hash"][2:]))
        return f"the transaction ended as {proven.receipt.code} at height {proven.height}"
    address, asset = case["address"], case["asset"]
    if case["kind"] == "absence":
        absent = verify_state_answer(chain_id, validators, answer, balance_key(address, asset))
        if absent.value is not None:
            raise ValueError("there is a value")
        return f"no balance at height {absent.height}"
    balance = verify_balance_answer(chain_id, validators, answer, address, asset)
    if str(balance.available) != case["amount"]:
        raise ValueError(f"the balance is {balance.available}, not {case['amount']}")
    return f"{balance.available} of {asset} at height {balance.height}"


def main() -> int:
    """Check every case of the input; 0 when all could be judged."""
    if not __debug__ or len(sys.argv) != 2:
        print("usage: python verify_answers.py genesis.json < cases.jsonl (not under python -O)", file=sys.stderr)
        return 2
    genesis = load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for line in sys.stdin:
        case = json.loads(line)
        try:
            verdict = {"name": case["name"], "verified": True, "reason": check(genesis, case)}
        except (Invalid, ValueError) as refusal:
            verdict = {"name": case["name"], "verified": False, "reason": str(refusal)}
        print(json.dumps(verdict), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
