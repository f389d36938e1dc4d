"""The demo's checks from outside: proofs that a stranger verifies, and transactions that must be refused."""

import copy
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rpc.client import Policy, RpcError, SyncClient
from scripts.demo_money import PAYMENT_FUEL, Book, pay_call, transaction
from scripts.demo_network import CURRENCY, ROOT, Network
from scripts.demo_record import Record, Stopped
from state import codec
from state.keys import SEED_BYTES, KeyPair
from state.receipt import RECEIPT_VERSION
from state.transaction import Body, Transaction, assemble, sign

WAIT_MS = 20_000

RESENT_PER_REQUEST = 500

PATIENT = Policy(timeout_seconds=60.0, rounds_max=2)


def raw_result(url: str, method: str, params: dict[str, Any]) -> Any:
    """The ``result`` member of a response, as any JSON reader gives it. :raises Stopped: it is an error."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        document = json.load(response)
    if "error" in document:
        raise Stopped(f"{method} at {url}: {document['error']}")
    return document["result"]


def proof_cases(network: Network, book: Book, balance: int, row: Transaction) -> list[dict[str, Any]]:
    """What the observer answers about the remittance's payee, a balance that is not there, and a receipt."""
    asset, elsewhere = f"{CURRENCY}.{book.payee.bank.id}", f"{CURRENCY}.{book.sender.bank.id}"
    held = {"address": book.payee.address, "asset": asset}
    absent = {"address": book.payee.address, "asset": elsewhere}
    identity = "0x" + row.id.hex()
    return [
        {
            "name": "balance",
            "kind": "balance",
            **held,
            "amount": str(balance),
            "answer": raw_result(network.observer, "state_proof", held),
        },
        {
            "name": "absence",
            "kind": "absence",
            **absent,
            "answer": raw_result(network.observer, "state_proof", absent),
        },
        {
            "name": "receipt",
            "kind": "receipt",
            "hash": identity,
            "answer": raw_result(network.observer, "receipt_proof", {"hash": identity}),
        },
    ]


def changed_cases(case: dict[str, Any], quorum: int) -> list[dict[str, Any]]:
    """The same answer with its value, one byte of its proof or a signature changed, or with a signer too few."""
    changed = []
    for what in ("value", "proof byte", "signature", "signers"):
        copied = copy.deepcopy(case)
        copied["name"] = f"{case['name']}, {what} changed"
        answer = copied["answer"]
        signatures = answer["certificate"]["signatures"]
        if what == "value":
            _change_value(copied)
        elif what == "proof byte":
            _change_proof(answer)
        elif what == "signature":
            signatures[0]["signature"] = _flipped(signatures[0]["signature"])
        else:
            copied["name"] = f"{case['name']}, {quorum - 1} signers"
            del signatures[quorum - 1 :]
        changed.append(copied)
    return changed


def check_proofs(record: Record, network: Network, cases: Sequence[dict[str, Any]], remittance: dict[str, Any]) -> None:
    """A separate process, given the genesis document and these answers, tells the true from the changed.

    :param remittance: one more that must be verified; alone in its block, it has no proof byte to change.
    """
    quorum = network.genesis.validators().quorum
    all_cases = [*cases, {"name": "remittance", **remittance}]
    all_cases += [changed for case in cases for changed in changed_cases(case, quorum)]
    script = ROOT / "scripts" / "verify_answers.py"
    done = subprocess.run(
        [sys.executable, "-P", str(script), str(network.directory / "genesis.json")],
        input="".join(json.dumps(case) + "\n" for case in all_cases),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    verdicts = {verdict["name"]: verdict for verdict in map(json.loads, done.stdout.splitlines())}
    if done.returncode or len(verdicts) != len(all_cases):
        record.check("proofs", False, f"the verifier failed: {done.stderr.strip()[-300:]}")
        return
    for case in cases:
        name = case["name"]
        verdict = verdicts[name]
        accepted = [other for other, found in verdicts.items() if other.startswith(name + ",") and found["verified"]]
        refused = sum(other.startswith(name + ",") for other in verdicts) - len(accepted)
        detail = f"verified from genesis alone ({verdict['reason']}); {refused} changed copies refused"
        if not verdict["verified"] or accepted:
            detail = f"{verdict['reason']}; wrongly accepted: {accepted}"
        record.check(f"proof of {name}", verdict["verified"] and not accepted and refused == 4, detail)
    proven = verdicts["remittance"]
    record.check("proof of remittance", proven["verified"], proven["reason"])


def check_sent_again(record: Record, network: Network, rows: Sequence[Transaction]) -> None:
    """All the old bytes again: each is known as final, and the state stays what it is."""
    with SyncClient([network.urls[0]], PATIENT) as client:
        before = client.node_status()
        statuses: dict[str, int] = {}
        for start in range(0, len(rows), RESENT_PER_REQUEST):
            for answer in client.tx_submit_many([row.encoded for row in rows[start : start + RESENT_PER_REQUEST]]):
                status = answer.code if isinstance(answer, RpcError) else answer.status.value
                statuses[status] = statuses.get(status, 0) + 1
        time.sleep(0.5)
        after = client.node_status()
    whole = statuses == {"final": len(rows)} and before.state_root == after.state_root and after.pool_count == 0
    detail = f"all {len(rows)} answered as final, the state root is the same"
    record.check("sent again", whole, detail if whole else f"answers {statuses}, pool {after.pool_count}")


def check_refusals(record: Record, network: Network, book: Book) -> None:
    """Five transactions that must not happen, each refused with its own code."""
    sender, payee = book.sender, book.payee
    stranger = KeyPair.from_seed(bytes(range(SEED_BYTES)))
    call = pay_call(payee.address, 100, "must not happen")
    good = transaction(network, sender.address, [sender.key], [call], PAYMENT_FUEL)
    flipped = bytes([good.signatures[0][0] ^ 1]) + good.signatures[0][1:]
    foreign: Body = replace(good.body, chain_id=bytes(32))
    too_much = pay_call(payee.address, 10 * sender.opening, "more than there is")
    cases = [
        (
            "overdraft",
            transaction(network, sender.address, [sender.key], [too_much], PAYMENT_FUEL),
            "insufficient_funds",
        ),
        ("wrong signature", assemble(good.body, [flipped]), "bad_signature"),
        ("stranger's key", transaction(network, sender.address, [stranger], [call], PAYMENT_FUEL), "unauthorised"),
        ("expired", transaction(network, sender.address, [sender.key], [call], PAYMENT_FUEL, valid_ms=-1), "expired"),
        ("foreign chain", sign(foreign, [sender.key]), "wrong_chain"),
    ]
    with SyncClient([network.urls[0]], PATIENT) as client:
        before = client.node_status().state_root
        found = [(name, _refusal(client, made), code) for name, made, code in cases]
        after = client.node_status().state_root
    for name, (code, sentence), wanted in found:
        detail = f"{code}: {sentence}"
        record.check(f"refused: {name}", code == wanted, detail if code == wanted else f"{detail} (not {wanted})")
    record.check("refused: nothing changed", before == after, f"state root {after[:18]}… before and after")


def _refusal(client: SyncClient, made: Transaction) -> tuple[str, str]:
    """The code at the door, or the one of the receipt."""
    try:
        client.tx_submit(made.encoded)
    except RpcError as refusal:
        return refusal.code, refusal.hint
    answer = client.tx_wait(made.id, WAIT_MS)
    if answer.receipt is None:
        return answer.status.value, "no receipt"
    return answer.receipt.code, f"{answer.receipt.message} (receipt at height {answer.height})"


def _change_value(case: dict[str, Any]) -> None:
    answer = case["answer"]
    if case["kind"] == "receipt":
        encoded = bytes.fromhex(answer["receipt"]["encoded"][2:])
        fields = list(codec.items(codec.decode(encoded, RECEIPT_VERSION), 16))
        fields[1] = answer["receipt"]["code"] = "insufficient_funds"
        answer["receipt"]["encoded"] = "0x" + codec.encode(RECEIPT_VERSION, fields).hex()
        return
    amount = 1
    if answer["value"] is not None:
        amount += codec.natural(codec.items(codec.unpack(bytes.fromhex(answer["value"][2:])), 2)[0])
        case["amount"] = str(amount)  # The liar claims what he shows.
    answer["value"] = "0x" + codec.pack([amount, 0]).hex()


def _change_proof(answer: dict[str, Any]) -> None:
    proof = answer["proof"]
    if isinstance(proof, list):
        proof[-1] = _flipped(proof[-1])
    elif proof["levels"]:
        proof["levels"][-1] = _flipped(proof["levels"][-1])
    else:  # a state so small that it is one bucket
        proof["bucket"] = _flipped(proof["bucket"])


def _flipped(text: str) -> str:
    """0x-hex with one bit of its last byte changed."""
    data = bytes.fromhex(text[2:])
    return "0x" + (data[:-1] + bytes([data[-1] ^ 1])).hex()
