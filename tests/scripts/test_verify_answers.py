"""The stranger's verifier as a process of its own: what it accepts, and that it refuses every change."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.kernel.layout import balance_key
from contracts.reads import Reads
from node import testnet
from node.home import Home
from node.keystore import Purpose, read_key
from rpc import render
from rpc.backend import ReceiptProofFact, StateProofFact
from scripts.demo_proofs import changed_cases
from tests.node.made_chain import Maker

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "scripts" / "verify_answers.py"
ASSET = "USD.alpina"

Case = dict[str, Any]


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    genesis = testnet.make(tmp_path, testnet.seats(1, 1, 20_000), name="trial")
    home = Home(tmp_path / "alpina")
    made = Maker(home, genesis, read_key(home.vote_key, Purpose.VOTE), read_key(home.account_key, Purpose.ACCOUNT))
    own = genesis.account_address(genesis.members[0])
    made.add([made.call("create", ["USD"])])
    made.add([made.call("mint", ["USD", [[own, 700]], "a"]), made.call("mint", ["USD", [[own, 50]], "b"])])
    return made


def state_case(maker: Maker, kind: str, address: str, **claim: str) -> Case:
    key = balance_key(address, ASSET)
    value, proof = Reads(maker.executor).prove(key)
    certificate = maker.chain.checkpoint(maker.chain.height)
    assert certificate is not None
    answer = render.state_proof(StateProofFact(key, value, proof, certificate))
    return {
        "name": kind,
        "kind": kind,
        "address": address,
        "asset": ASSET,
        **claim,
        "answer": json.loads(msgspec.json.encode(answer)),
    }


def receipt_case(maker: Maker) -> Case:
    found = Reads(maker.executor).receipt_proof(2, 1)
    certificate = maker.chain.checkpoint(2)
    assert certificate is not None
    fact = ReceiptProofFact(found.receipt, found.index, found.count, found.proof, certificate)
    identity = "0x" + found.receipt.transaction_id.hex()
    answer = json.loads(msgspec.json.encode(render.receipt_proof(fact, None)))
    return {"name": "receipt", "kind": "receipt", "hash": identity, "answer": answer}


@pytest.fixture
def cases(maker: Maker) -> list[Case]:
    own = maker.genesis.account_address(maker.genesis.members[0])
    other = maker.genesis.account_address(maker.genesis.members[1])
    made = [
        state_case(maker, "balance", own, amount="750"),
        state_case(maker, "absence", other),
        receipt_case(maker),
    ]
    maker.close()
    return made


def judge(tmp_path: Path, cases: list[Case]) -> dict[str, tuple[bool, str]]:
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), str(tmp_path / "genesis.json")],
        input="".join(json.dumps(case) + "\n" for case in cases),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {verdict["name"]: (verdict["verified"], verdict["reason"]) for verdict in found}


def test_what_is_true_is_accepted(tmp_path: Path, cases: list[Case]) -> None:
    assert judge(tmp_path, cases) == {
        "balance": (True, "750 of USD.alpina at height 2"),
        "absence": (True, "no balance at height 2"),
        "receipt": (True, "the transaction ended as ok at height 2"),
    }


def test_every_change_is_refused(tmp_path: Path, cases: list[Case]) -> None:
    changed = [copy for case in cases for copy in changed_cases(case, 1)]
    found = judge(tmp_path, changed)
    assert len(found) == 12
    assert {name: verified for name, (verified, _) in found.items() if verified} == {}
    assert {reason.partition(":")[0] for _, reason in found.values()} == {"bad_proof", "bad_signature", "no_quorum"}


def test_an_answer_to_another_question_is_refused(tmp_path: Path, cases: list[Case]) -> None:
    balance, absence, receipt = cases
    swapped = [
        balance | {"name": "another account", "address": absence["address"]},
        balance | {"name": "another amount", "amount": "751"},
        balance | {"name": "there is a value", "kind": "absence"},
        receipt | {"name": "another transaction", "hash": "0x" + bytes(32).hex()},
    ]
    assert judge(tmp_path, swapped) == {
        "another account": (False, "bad_proof: the answer is about another key than was asked for"),
        "another amount": (False, "the balance is 750, not 751"),
        "there is a value": (False, "there is a value"),
        "another transaction": (False, "bad_proof: the receipt is of another transaction than was asked for"),
    }


def test_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT)], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python verify_answers.py genesis.json")
