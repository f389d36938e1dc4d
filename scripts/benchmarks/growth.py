"""What a long past costs: starting, and asking for what lies far back.

Two chains of small blocks are made beforehand (``prepared``), a short one and one of a hundred thousand blocks, each
with a journal as large as a journal gets. A validator is started on each: the clock runs from the start of the
process to its first answer, the state read and compared with its root, the journal read, every vote in it looked at.
Then it is asked, one request after the other, for transactions, blocks and accounts drawn from the whole chain.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from node import devnet
from node.chain import Chain
from node.devnet import Place
from rpc.client import SyncClient
from rpc.client.core import Unreachable
from scripts.benchmarks import prepared
from scripts.benchmarks.fleet import pids_of, quantiles
from scripts.benchmarks.network import BASE_PORT
from scripts.benchmarks.processes import cpu_seconds, pss_mb
from scripts.benchmarks.progress import Progress
from state.store import Database

START_SECONDS_MAX = 5.0
"""A chain of a hundred thousand blocks starts in so long."""
FLAT_RATIO_MAX = 1.5
"""Asking costs no more than so many times what it costs on a short chain."""
ANSWER_SECONDS_MAX = 120.0
LOOK_SECONDS = 0.02
PAGE = 10
"""Entries asked for of a history or a statement."""
WARM = 20
"""Questions of each kind before those that are timed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    blocks: Sequence[int] = (1_000, 100_000)
    validators: int = 4
    accounts: int = 1_000
    questions: int = 1_000
    """Of each kind."""
    directory: Path | None = None


def run(plan: Plan, progress: Progress) -> dict[str, Any]:
    """The whole benchmark; its figures."""
    found = {}
    for blocks in plan.blocks:
        with tempfile.TemporaryDirectory(prefix="hansa-bench-") as temporary:
            root = (plan.directory or Path(temporary)) / f"{plan.validators}-validators-{blocks}-blocks"
            network = _network(root, plan, blocks, progress)
            found[str(blocks)] = _measured(network, plan, progress)
    short, long = found[str(plan.blocks[0])], found[str(plan.blocks[-1])]
    figures = {"start_seconds": long["start_seconds"]}
    targets = {"start_seconds": {"most": START_SECONDS_MAX}}
    for name, times in long["questions"].items():
        figures[f"{name}_by_short"] = round(times["core_us"] / short["questions"][name]["core_us"], 2)
        targets[f"{name}_by_short"] = {"most": FLAT_RATIO_MAX}
    machine = {"cores": len(os.sched_getaffinity(0)), "blocks": list(plan.blocks), "accounts": plan.accounts}
    return {"figures": figures, "targets": targets, "chains": found, "machine": machine}


def _measured(network: prepared.Network, plan: Plan, progress: Progress) -> dict[str, Any]:
    place = network.validators[0]
    height, known = _known(place, plan.questions)
    try:
        began = time.perf_counter()
        devnet.start(place)
        while not _answers(place):
            if time.perf_counter() - began > ANSWER_SECONDS_MAX:
                raise SystemExit(f"bench: {place.member} has not answered: {' '.join(devnet.tail(place, 3))}")
            time.sleep(LOOK_SECONDS)
        seconds, pids = time.perf_counter() - began, pids_of(place)
        used = cpu_seconds(pids)
        progress(f"{height:,} blocks start in {seconds:.2f} s, {used:.2f} s of processor time")
        questions = _asked(place, network, plan, height, known)
        return {
            "height": height,
            "start_seconds": round(seconds, 2),
            "start_cpu_seconds": round(used, 2),
            "memory_mb": round(pss_mb(pids), 1),
            "questions": questions,
        }
    finally:
        devnet.stop([place])


def _asked(
    place: Place, network: prepared.Network, plan: Plan, height: int, known: Sequence[bytes]
) -> dict[str, dict[str, float | None]]:
    random, banks = Random(1), network.validators
    numbers = [random.randrange(plan.accounts) for _ in range(plan.questions)]
    accounts = [(network.customer(number).address, f"USD.{banks[number % len(banks)].member}") for number in numbers]
    heights = [random.randrange(1, height + 1) for _ in range(plan.questions)]
    with SyncClient([place.url]) as client:
        kinds: dict[str, list[Callable[[], object]]] = {
            "transaction": [partial(client.tx_get, identity) for identity in known],
            "block": [partial(client.chain_block, number) for number in heights],
            "account": [partial(client.account_get, address) for address, _ in accounts],
            "history": [partial(client.account_history, address, limit=PAGE) for address, _ in accounts],
            "statement": [partial(client.account_statement, *account, limit=PAGE) for account in accounts],
        }
        return {kind: _timed(place, questions) for kind, questions in kinds.items()}


def _timed(place: Place, questions: Sequence[Callable[[], object]]) -> dict[str, float | None]:
    """Milliseconds of each question, asked one after the other, and the node's processor time of one."""
    for ask in questions[:WARM]:
        ask()
    pids, times = pids_of(place), []
    used = cpu_seconds(pids)
    for ask in questions:
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1_000)
    used = cpu_seconds(pids) - used
    return {**quantiles(times, digits=3), "core_us": round(used / len(questions) * 1e6, 1)}


def _known(place: Place, count: int) -> tuple[int, list[bytes]]:
    """Height, and ids of transactions from all over the chain."""
    chain = Chain(Database.open(place.home.chain), place.home.anchor)
    random = Random(2)
    found: list[bytes] = []
    while len(found) < count:
        decided = chain.decided(random.randrange(chain.height // 2, chain.height + 1))
        assert decided is not None
        found += decided.block.transaction_ids()[:1]
    height = chain.height
    chain.close()
    return height, found


def _answers(place: Place) -> bool:
    try:
        with SyncClient([place.url]) as client:
            client.node_status()
    except Unreachable:
        return False
    return True


def _network(root: Path, plan: Plan, blocks: int, progress: Progress) -> prepared.Network:
    if (root / prepared.READY).exists():
        return prepared.load(root)
    network = prepared.make(root, plan.validators, BASE_PORT, lambda usual: usual)
    writer = prepared.Writer(network)
    writer.open_accounts(plan.accounts, progress.tick)
    progress(f"making {blocks:,} blocks")
    writer.pay(plan.accounts, blocks, 1, progress.tick)
    writer.keep_journal()
    writer.finish()
    (root / prepared.READY).touch()
    return network
