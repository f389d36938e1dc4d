"""The demo's checks of money and agreement: what five nodes and all receipts say, against sums made elsewhere."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from node.devnet import Place
from node.wallet import show_amount
from rpc import answers
from rpc.certificates import CheckpointAnswer, CommitAnswer, certificate_of
from rpc.client import Policy, Request, RpcError, SyncClient
from rpc.text import bytes_of
from scripts.demo_money import Book, Customer
from scripts.demo_network import CURRENCY, ROOT, Bank, Network, hansa
from scripts.demo_record import NodeRecord, Record, Stopped
from state import merkle
from state.address import contract_address
from state.block import decode_header
from state.certificate import Certificate
from state.transaction import Transaction

CALLS_PER_REQUEST = 250

BLOCKS_PER_REQUEST = 20

NODES_AT_ONCE = 3

AGREE_SECONDS_MAX = 40.0

SIGNATURE_SECONDS_MAX = 45.0

PATIENT = Policy(timeout_seconds=60.0, rounds_max=2)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the script that shares nothing with Hansa has added up."""

    accounts: dict[int, int]
    net_flows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Receipts:
    """All receipts of the chain, each under its block's certified root."""

    height: int
    by_hash: dict[str, list[answers.ReceiptAnswer]]

    def issued(self) -> dict[str, int]:
        """Per asset, minted less burnt, over all legs of all receipts."""
        out: dict[str, int] = {}
        for found in self.by_hash.values():
            for receipt in found:
                for event in receipt.events:
                    if event.contract == "ledger" and "legs" in event.fields:
                        for asset, account, change in event.fields["legs"]:
                            if account == "supply":
                                out[asset] = out.get(asset, 0) - int(change)
        return out


def expected(file: Path, rows: int, banks: int) -> Expected:
    """Run the independent script. :raises Stopped: it failed."""
    script = ROOT / "scripts" / "expected_balances.py"
    command = [sys.executable, "-I", "-S", str(script), str(file), "--rows", str(rows), "--banks", str(banks)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True)
    if done.returncode:
        raise Stopped(f"{script.name} failed: {done.stderr.strip().splitlines()[-1]}")
    document = json.loads(done.stdout)
    accounts = {int(number): int(cents) for number, cents in document["accounts"].items()}
    return Expected(accounts, tuple(int(document["net_flows"][str(bank)]) for bank in range(banks)))


def await_agreement(places: Sequence[Place]) -> list[NodeRecord]:
    """Wait until all nodes are at one height and root; where they stand then, or stood at the end."""
    deadline = time.monotonic() + AGREE_SECONDS_MAX
    while True:
        found = [_standing(place) for place in places]
        heights = {(node.height, node.state_root) for node in found}
        if len(heights) == 1 or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def agree(found: Sequence[NodeRecord]) -> bool:
    """Whether all are at one height with one root."""
    return len({(node.height, node.state_root) for node in found}) == 1


def check_balances(record: Record, network: Network, book: Book, wanted: Expected) -> None:
    """Every account of the file at every node."""
    customers = list(book.customers.values())
    with ThreadPoolExecutor(NODES_AT_ONCE) as pool:
        seen = list(pool.map(lambda place: balances(place.url, customers), network.places))
    wrong = []
    for place, found in zip(network.places, seen, strict=True):
        for number, customer in book.customers.items():
            owned = found[customer.address]
            right = (
                {(f"{CURRENCY}.{customer.bank.id}", wanted.accounts[number], 0)} if wanted.accounts[number] else set()
            )
            if set(owned) != right:
                wrong.append(f"{customer.name} at {place.member}: {owned}, expected {wanted.accounts[number]}")
    detail = f"{len(customers)} balances at {len(seen)} nodes are what {len(book.payments)} rows add up to, to the cent"
    whole = len(wanted.accounts) == len(customers) and not wrong
    record.check("balances", whole, detail if whole else f"{len(wrong)} differ, first: {wrong[:1]}")


def balances(url: str, customers: Sequence[Customer]) -> dict[str, list[tuple[str, int, int]]]:
    """Address → (asset, available, held) of each balance, as one node has it."""
    return accounts(url, [customer.address for customer in customers])


def accounts(url: str, addresses: Sequence[str]) -> dict[str, list[tuple[str, int, int]]]:
    """As ``balances``, by address. An account that no node knows is left without any."""
    found: dict[str, list[tuple[str, int, int]]] = {}
    with SyncClient([url], PATIENT) as client:
        for start in range(0, len(addresses), CALLS_PER_REQUEST):
            chunk = addresses[start : start + CALLS_PER_REQUEST]
            calls = [Request("account_get", {"address": address}, answers.AccountAnswer) for address in chunk]
            for address, answer in zip(chunk, client.batch(calls), strict=True):
                if isinstance(answer, RpcError):
                    raise Stopped(f"{url} has no account {address}: {answer}")
                if not answer.complete:
                    raise Stopped(f"{address} owns more assets than the demo made")
                found[address] = [(entry.asset, int(entry.amount), int(entry.held)) for entry in answer.balances]
    return found


def read_receipts(url: str) -> Receipts:
    """Every receipt of the chain from one node; each block's root over them must be the certified one."""
    by_hash: dict[str, list[answers.ReceiptAnswer]] = {}
    with SyncClient([url], PATIENT) as client:
        height = int(client.node_status().certified_height)
        for start in range(1, height + 1, BLOCKS_PER_REQUEST):
            heights = range(start, min(start + BLOCKS_PER_REQUEST, height + 1))
            blocks = _batch(client, [_block(number) for number in heights])
            checkpoints = _batch(client, [_checkpoint(number) for number in heights])
            for block, checkpoint in zip(blocks, checkpoints, strict=True):
                receipts = _receipts_of(client, block)
                root = merkle.root([bytes_of(receipt.encoded) for receipt in receipts])
                if bytes_of(checkpoint.certificate.receipts_root) != root:
                    raise Stopped(f"the receipts of block {block.height} do not give the certified root")
                for receipt in receipts:
                    by_hash.setdefault(receipt.hash, []).append(receipt)
    return Receipts(height, by_hash)


def check_receipts(record: Record, receipts: Receipts, rows: Sequence[Transaction]) -> None:
    """Each of the ids once, and ok."""
    counts = Counter(len(receipts.by_hash.get("0x" + row.id.hex(), [])) for row in rows)
    codes = Counter(receipt.code for row in rows for receipt in receipts.by_hash.get("0x" + row.id.hex(), []))
    whole = counts == {1: len(rows)} and codes == {"ok": len(rows)}
    detail = f"each of {len(rows)} ids has exactly one receipt, ok, under a certified root"
    record.check("receipts", whole, detail if whole else f"receipts per id {dict(counts)}, codes {dict(codes)}")


def check_conservation(
    record: Record, network: Network, book: Book, receipts: Receipts, others: Sequence[str] = ()
) -> None:
    """Per asset, what all accounts own and hold against what was minted less burnt.

    :param others: addresses beside those of the book, the members and the contracts.
    """
    prefix = network.genesis.parameters.address_prefix
    everybody = [customer.address for customer in book.everybody]
    everybody += [bank.address for bank in network.members]
    everybody += [contract_address(prefix, name) for name in [contract.name for contract in network.genesis.contracts]]
    everybody += others
    owned: dict[str, int] = {}
    for entries in accounts(network.observer, everybody).values():
        for asset, available, held in entries:
            owned[asset] = owned.get(asset, 0) + available + held
    issued = receipts.issued()
    whole = owned == issued and len(issued) > len(network.banks)
    listed = ", ".join(show_amount(issued[asset], asset) for asset in sorted(issued))
    record.check(
        "conservation",
        whole,
        f"balances and holds are mints less burns: {listed}"
        if whole
        else f"accounts own {owned}, receipts issued {issued}",
    )


def check_settlement(
    record: Record, network: Network, issued: dict[str, int], wanted: Expected, remittance: int, pair: tuple[Bank, Bank]
) -> None:
    """Each bank's settlement money: issued, plus the net flow of the file, plus the remittance."""
    asset = f"{CURRENCY}.{network.agent.id}"
    found = accounts(network.observer, [bank.address for bank in network.banks])
    told, wrong = [], []
    for index, bank in enumerate(network.banks):
        flow = wanted.net_flows[index] + remittance * ((bank is pair[1]) - (bank is pair[0]))
        owned = sum(available for name, available, _ in found[bank.address] if name == asset)
        told.append(f"{bank.id} {flow / 100:+,.2f}")
        if owned - issued[bank.id] != flow:
            wrong.append(f"{bank.id} moved {owned - issued[bank.id]}, expected {flow}")
    record.check("settlement", not wrong, "; ".join(wrong) or f"positions are the net flows: {', '.join(told)}")


def check_agreement(record: Record, places: Sequence[Place]) -> None:
    """All nodes at one height with one root, after everything."""
    record.nodes = await_agreement(places)
    first = record.nodes[0]
    detail = f"{len(record.nodes)} nodes at height {first.height} with state root {first.state_root}"
    listed = ", ".join(f"{node.name} {node.height} {node.state_root[:18]}" for node in record.nodes)
    record.check("agreement", agree(record.nodes), detail if agree(record.nodes) else f"they differ: {listed}")


def check_signature(record: Record, network: Network, killed: Bank, above: int) -> None:
    """The killed node's own signature in a commit certificate of a block after its restart."""
    validators = network.genesis.validators()
    assert killed.member.vote_key is not None
    index = validators.index_of(killed.member.vote_key)
    deadline, height, found = time.monotonic() + SIGNATURE_SECONDS_MAX, above + 1, None
    with SyncClient([network.observer], PATIENT) as client:
        while found is None and time.monotonic() < deadline:
            try:
                block = client.chain_block(height)
            except RpcError:
                time.sleep(0.2)
                continue
            height += 1
            for certificate in _certificates(block):
                certificate.check(validators, network.genesis.chain_id)
                if certificate.vote.height > above and any(signer == index for signer, _ in certificate.signatures):
                    found = certificate.vote.height
    detail = f"{killed.id} restarted at height {above}; its signature is in the commit certificate of {found}"
    failed = f"{killed.id} signed no commit certificate from height {above + 1} to {height - 1}"
    record.check("killed node signs again", found is not None, detail if found is not None else failed)


def check_verify(record: Record, place: Place, node: NodeRecord) -> None:
    """``hansa verify`` on the directory of a node that has been stopped."""
    try:
        found = json.loads(hansa("verify", "--home", str(place.home.path), "--json").stdout)
    except Stopped as refusal:
        record.check("hansa verify", False, str(refusal))
        return
    whole = int(found["height"]) >= int(node.height) and found["state_root"] == node.state_root
    detail = (
        f"{found['transactions']} transactions and {found['signatures']} signatures of {place.member} replayed from "
        f"genesis to height {found['height']}: root {found['state_root'][:18]}…, {found['checkpoints']} certificates"
    )
    record.check("hansa verify", whole, detail if whole else f"{detail}; the nodes have {node.state_root}")


def _standing(place: Place) -> NodeRecord:
    with SyncClient([place.url], PATIENT) as client:
        status = client.node_status()
    return NodeRecord(place.member, status.height, status.state_root)


def _certificates(block: answers.BlockAnswer) -> list[Certificate]:
    """The one that this node holds, and the one of the parent that the next proposer chose."""
    parent = decode_header(bytes_of(block.encoded_header)).parent_certificate
    return [_certificate(block.certificate), *([] if parent is None else [parent])]


def _certificate(shown: CommitAnswer | CheckpointAnswer) -> Certificate:
    return certificate_of(shown)


def _block(height: int) -> Request:
    return Request("chain_block", {"height": str(height)}, answers.BlockAnswer)


def _checkpoint(height: int) -> Request:
    return Request("chain_checkpoint", {"height": str(height)}, answers.CheckpointProof)


def _receipts_of(client: SyncClient, block: answers.BlockAnswer) -> list[answers.ReceiptAnswer]:
    """In the block's order: what the schedule ran, then the transactions."""
    found: list[answers.ReceiptAnswer] = []
    listed = (*block.scheduled, *block.transactions)
    for start in range(0, len(listed), CALLS_PER_REQUEST):
        chunk = listed[start : start + CALLS_PER_REQUEST]
        calls = [Request("tx_get", {"hash": text}, answers.TransactionAnswer) for text in chunk]
        for answer in _batch(client, calls):
            if answer.receipt is None or answer.height != block.height or answer.index != len(found):
                raise Stopped(f"{answer.hash} is in block {block.height}, and its receipt says something else")
            found.append(answer.receipt)
    return found


def _batch(client: SyncClient, calls: Sequence[Request]) -> list:  # type: ignore[type-arg]
    """Results of calls none of which may fail. :raises Stopped: one did."""
    results = client.batch(calls)
    for call, result in zip(calls, results, strict=True):
        if isinstance(result, RpcError):
            raise Stopped(f"{call.method} {call.params}: {result}")
    return results
