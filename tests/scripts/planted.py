"""Bugs to plant: each breaks the production code the way it was once broken, or could be, and no further."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from consensus import safety
from contracts.executor import Executor
from node import catchup, seams, start
from node.admission import Door
from node.execution import run_block
from node.gossip import Gossip
from node.guard import AmnesiaGuard
from node.journal import Record
from node.records import REQUEST
from node.signer import Signer
from scripts.simulation import disk, machine
from state.block import Block
from state.transaction import Transaction
from state.validators import ValidatorSet

Plant = Callable[[pytest.MonkeyPatch], None]


def quorum_is_one_too_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatorSet, "quorum", property(lambda validators: (len(validators) + validators.faulty_max) // 2))


def votes_are_not_recorded(patch: pytest.MonkeyPatch) -> None:
    append = disk.SimulatedJournal.append

    def append_no_request(journal: disk.SimulatedJournal, record: Record) -> None:
        if record.kind != REQUEST:
            append(journal, record)

    patch.setattr(disk.SimulatedJournal, "append", append_no_request)


def votes_leave_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    sync = disk.SimulatedJournal.sync

    def answer_at_once(journal: disk.SimulatedJournal, token: int) -> None:
        sync(journal, token)
        journal._timeline.after(0, lambda: journal._synced(token))

    patch.setattr(disk.SimulatedJournal, "sync", answer_at_once)


def votes_are_forgotten_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    prepare = Signer.__init__

    def forget(signer: Signer, key: object, chain_id: bytes, journal: object, recovered: object) -> None:
        nothing = replace(recovered, requests=[], record=safety.NOTHING_SIGNED, recorded_count=0)  # type: ignore[type-var]
        prepare(signer, key, chain_id, journal, nothing)  # type: ignore[arg-type]

    patch.setattr(Signer, "__init__", forget)
    patch.setattr(AmnesiaGuard, "joined", lambda *_: 0)


def kept_bodies_are_dropped_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(start, "kept_bodies", lambda *_: [])


def one_node_executes_differently(patch: pytest.MonkeyPatch) -> None:
    odd: list[Executor] = []

    def run(executor: Executor, block: Block, transactions: Sequence[Transaction]) -> seams.Executed:
        event = run_block(executor, block, transactions)
        odd.append(executor)
        if executor is odd[0] and block.height == 5:
            return replace(event, outcome=replace(event.outcome, state_root=bytes(32)))
        return event

    patch.setattr(machine, "run_block", run)


def gossip_is_sent_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gossip, "remember", lambda *_: None)
    patch.setattr(Gossip, "stalled", lambda _: None)


def guard_asks_for_unknown_validators(patch: pytest.MonkeyPatch) -> None:
    joined = AmnesiaGuard.joined

    def joined_at_next(guard: AmnesiaGuard, member: str | None, newest_vote: bytes, height: int) -> int | None:
        return joined(guard, member, newest_vote, height + 1)

    patch.setattr(AmnesiaGuard, "joined", joined_at_next)


def what_is_decided_may_be_listed_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Door, "was_decided", lambda *_: False)


def peers_once_passed_over_stay_so(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(catchup, "REPEAT_MS", catchup.PASSED_OVER_MS)
