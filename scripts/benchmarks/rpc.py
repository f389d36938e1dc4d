"""What taking a transaction in costs a node's main process, in processor time and without the check of its signature.

A whole way in stands here: the HTTP face on loopback, dispatch, intake, the driver with its door, pool and gossip, and
a chain in LevelDB. Only the ends are cut off: the verifier says yes to all, the links lead nowhere, and nothing is
ever decided. A client in a process of its own sends the same transactions as JSON-RPC batches, as binary bodies and
one by one. What counts is the processor time of the thread that serves, the kernel's part in it included, so that a
busy machine changes little.
"""

import asyncio
import json
import logging
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop

from consensus.replica import Replica
from consensus.start import Identity
from node import collector, seams, start
from node.chain import Chain
from node.driver import Driver, Parts
from node.history import ValidatorHistory
from node.inbox import Inbox
from node.intake import NodeIntake
from node.journal import Record
from node.notices import Notices
from node.pool import Pool
from node.proposing import Pace
from node.quota import Quota
from node.runtime import AsyncClock
from rpc import strict_json, submissions
from rpc.backend import SubmitResult, Submitted, TransactionStatus
from rpc.dispatch import Dispatcher
from rpc.methods import method_table
from rpc.server import Server
from rpc.text import bytes_of, hex_of
from scripts.benchmarks.bound import verifies_of_one_core
from scripts.simulation import birth
from state import transaction
from state.address import account_address
from state.block import Block
from state.keys import KeyPair
from state.policy import Policy
from state.store import Database
from state.transaction import Body, Call, Transaction

TRANSACTIONS = 300
"""Sent in one round: fewer than make the node say that it is busy, since nothing here is ever final."""

BATCH = 100
SENDERS = 250
ROUNDS = 20
"""The cheapest counts: whatever else happens on the machine only adds."""

TARGET_US = 15.0
VALID_MS = 1_800_000

_QUERIES: Any = None
"""Nothing here asks."""


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """All figures: microseconds of processor time for one transaction."""
    say(f"signing {TRANSACTIONS} transfers")
    signed = _transfers()
    say("the parts, one by one")
    parts = _parts(signed[:BATCH])
    say("a node's whole way in")
    served = uvloop.run(_serve(signed, say))
    verify_us = 1e6 / verifies_of_one_core(0.5)
    return {
        "figures": served,
        "targets": {"batch_us": {"most": TARGET_US}, "binary_us": {"most": TARGET_US}},
        "parts_us": parts,
        "verify_us": round(verify_us, 1),
        "machine": {"transactions": TRANSACTIONS, "batch": BATCH, "bytes": len(signed[0].encoded)},
    }


def _transfers() -> list[Transaction]:
    """Payments such as customers make."""
    keys = [KeyPair.from_seed(number.to_bytes(32, "big")) for number in range(1, SENDERS + 1)]
    prefix = birth.PARAMETERS.address_prefix
    addresses = [account_address(prefix, Policy.of_key(key.public).encode(), birth.SALT) for key in keys]
    valid_until_ms = int(time.time() * 1000) + VALID_MS
    signed = []
    for index in range(TRANSACTIONS):
        payer = index % SENDERS
        call = Call("payments", 1, "pay", [addresses[(payer * 7 + 1) % SENDERS], "USD", 1, "benchmark"])
        client_id = index.to_bytes(16, "big")
        body = Body(birth.CHAIN_ID, addresses[payer], client_id, valid_until_ms, None, 200_000, (call,), ())
        signed.append(transaction.sign(body, [keys[payer]]))
    return signed


# ------------------------------------------------------------------------------------------------------ the parts


class _Taken:
    """Takes everything unseen, so that nothing but JSON-RPC is measured."""

    async def submit_many(self, transactions: list[bytes]) -> list[SubmitResult]:
        return [Submitted(encoded[:32], TransactionStatus.PENDING) for encoded in transactions]


def _parts(signed: Sequence[Transaction]) -> dict[str, float]:
    """What each step costs on its own."""
    encoded = [item.encoded for item in signed]
    body, binary, texts = _json(encoded), submissions.encode_transactions(encoded), [hex_of(each) for each in encoded]
    taken = _Taken()
    dispatcher = Dispatcher(method_table(taken, _QUERIES, "0"), logging.getLogger("hansa.bench"))
    with asyncio.Runner() as runner:
        return {
            "json_gate": _cheapest(lambda: strict_json.check(body)),
            "hex": _cheapest(lambda: [bytes_of(text) for text in texts]),
            "json_in_all": _cheapest(lambda: runner.run(dispatcher.answer(body))),
            "binary_in_all": _cheapest(lambda: runner.run(submissions.answer(taken, binary))),
            "transaction_decode": _cheapest(lambda: [transaction.decode(each) for each in encoded]),
        }


def _cheapest(work: Callable[[], object], again: int = 20) -> float:
    """Processor time of one transaction of a batch, µs."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(again):
            work()
        found.append((time.process_time() - began) / again / BATCH * 1e6)
    return round(min(found), 2)


def _json(encoded: Sequence[bytes]) -> bytes:
    calls = [
        {"jsonrpc": "2.0", "id": index, "method": "tx_submit", "params": [hex_of(each)]}
        for index, each in enumerate(encoded)
    ]
    return json.dumps(calls if len(calls) > 1 else calls[0], separators=(",", ":")).encode()


# ------------------------------------------------------------------------------------------------ the whole way in


async def _serve(signed: Sequence[Transaction], say: Callable[[str], None]) -> dict[str, float]:
    encoded = [item.encoded for item in signed]
    groups = [encoded[start : start + BATCH] for start in range(0, len(encoded), BATCH)]
    json_type = "application/json"
    loads = {
        "batch_us": [_request("/", json_type, _json(group)) for group in groups],
        "binary_us": [
            _request(submissions.PATH, submissions.CONTENT_TYPE, submissions.encode_transactions(group))
            for group in groups
        ],
        "single_us": [_request("/", json_type, _json([each])) for each in encoded],
        "single_binary_us": [
            _request(submissions.PATH, submissions.CONTENT_TYPE, submissions.encode_transactions([each]))
            for each in encoded
        ],
    }
    figures = {}
    with tempfile.TemporaryDirectory(prefix="hansa-bench-") as directory:
        way_in = _WayIn(Path(directory))
        port = await way_in.server.start("127.0.0.1", 0)
        collector.settle()
        for name, requests in loads.items():
            figures[name] = round(await _load(way_in, port, requests), 2)
            say(f"{name} {figures[name]}")
        await way_in.server.stop()
        way_in.chain.close()
    return figures


class _WayIn:
    """A node from its socket to its pool."""

    def __init__(self, directory: Path) -> None:
        logger = logging.getLogger("hansa.bench")
        self.inbox = Inbox(_fail)
        self.chain = Chain(Database.open(directory / "chain", create=True), None)
        self.pool = Pool()
        lag = birth.PARAMETERS.execution_lag
        history = ValidatorHistory(birth.validators(4), lag, self.chain)
        begun = start.start_state(self.chain, None, history, lag, 0)
        identity = Identity(None, birth.CHAIN_ID, birth.PARAMETERS, birth.GENESIS_MS)
        ends = _Ends(self.inbox)
        notices = Notices(logger, lambda _: None)
        self.driver = Driver(
            Parts(
                chain_id=birth.CHAIN_ID,
                parameters=birth.PARAMETERS,
                chain=self.chain,
                pool=self.pool,
                replica=Replica(identity, begun),
                validators=history,
                signer=None,
                executed_height=0,
                next_due_ms=None,
                quota=Quota(),
                kept_bodies=(),
                clock=AsyncClock(self.inbox),
                network=ends,
                journal=ends,
                verifier=ends,
                execution=ends,
                listener=notices,
                pace=Pace(),
            )
        )
        self.intake = NodeIntake(
            self.inbox, notices, self.driver.pressure, _unknown, lambda _: None, is_validator=lambda: True
        )
        methods = method_table(self.intake, _QUERIES, "0")
        self.server = Server(methods, lambda: (), lambda: b"", partial(submissions.answer, self.intake))
        self.driver.start()
        self.inbox.open(self.driver.handle)


class _Ends:
    """Where the way in is cut off: every signature is right, and nothing is sent, kept or executed."""

    size_bytes = 0

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def verify(self, token: int, transactions: Sequence[Transaction]) -> None:
        self._inbox.post(seams.Verified(token, (True,) * len(transactions)))

    def send_vote(self, member: str | None, payload: bytes) -> None:
        pass

    def send_bulk(self, member: str | None, kind: int, payload: bytes) -> None:
        pass

    def bar(self, member: str, reason: str, seconds: int) -> None:
        pass

    def append(self, record: Record) -> None:
        pass

    def sync(self, token: int) -> None:
        pass

    def compact(self, records: Sequence[Record]) -> None:
        pass

    def execute(self, block: Block, transactions: Sequence[Transaction]) -> None:
        raise AssertionError("nothing is decided here")


async def _unknown(_: bytes) -> TransactionStatus:
    return TransactionStatus.UNKNOWN


def _fail(error: BaseException) -> None:
    raise SystemExit(f"bench: the driver failed: {error!r}")


# ------------------------------------------------------------------------------------------------------ the client


async def _load(way_in: _WayIn, port: int, requests: Sequence[bytes]) -> float:
    """Processor time of the serving thread for one transaction, µs, the cheapest of the rounds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    client = context.Process(target=_client, args=(port, requests, theirs), daemon=True)
    client.start()
    loop, found = asyncio.get_running_loop(), []
    for _ in range(ROUNDS):
        is_done = asyncio.Event()
        loop.add_reader(ours.fileno(), is_done.set)
        began = time.thread_time()
        ours.send("go")
        await is_done.wait()
        loop.remove_reader(ours.fileno())
        found.append((time.thread_time() - began) / TRANSACTIONS * 1e6)
        assert ours.recv() == len(requests), "the client has every answer"
        assert len(way_in.pool) == TRANSACTIONS, "all were taken in"
        way_in.pool.forget([pending.id for pending in way_in.pool])
    ours.send("end")
    client.join()
    return min(found)


def _client(port: int, requests: Sequence[bytes], pipe: Connection) -> None:
    """Send all requests over one connection, one after the other, as often as it is told to."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        stream = connection.makefile("rb")
        while pipe.recv() == "go":
            for request in requests:
                connection.sendall(request)
                head = b""
                while (line := stream.readline()) != b"\r\n":
                    head += line.lower()
                assert head.startswith(b"http/1.1 200"), head
                stream.read(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
            pipe.send(len(requests))


def _request(path: str, content_type: str, body: bytes) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
