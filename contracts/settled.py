"""A state that came as a snapshot: what has to stand beside its leaves, and what a node must learn from them.

Of the rows that reads are answered from, those that follow from the state alone are made again: who holds what, which
contracts there are, and what each balance was, so that a statement can begin there. Receipts and histories of earlier
heights are not in a state and are not here: reads of them are refused as pruned.
"""

from typing import cast

from contracts import records
from contracts.kernel import layout
from contracts.kernel.layout import BALANCE_PREFIX, BalanceRow, MotionRow
from contracts.kernel.members import Schedule
from contracts.records import ResultRow, decode_row, encode_row
from state.validators import Validator, ValidatorSet

MOTION_PREFIX = layout.motion_key("")

BALANCE_INDEX = 2**32 - 1
"""Where a balance that came with the snapshot stands among the transactions of its height: after all of them."""


class Settled:
    """Reads the leaves of one snapshot as they come.

    :param window_ms: the parameter transaction_window_ms of genesis.
    """

    def __init__(self, height: int, time_ms: int, window_ms: int) -> None:
        self.window_ms = window_ms
        """The longest that the window of transactions may have been: of genesis, and of every motion on it."""
        self.schedule: Schedule = ()
        """Validator sets in force and ahead, by first height."""
        self._at = records.position(height, BALANCE_INDEX)
        self._time_ms = time_ms

    def rows(self, key: bytes, value: bytes) -> dict[bytes, bytes]:
        """The extra rows that follow from one leaf."""
        if key.startswith(BALANCE_PREFIX):
            place = key[len(BALANCE_PREFIX) :]
            available, held = cast(BalanceRow, decode_row(value))
            return {
                b"holding/" + place: b"",
                b"statement/" + place + b"/" + self._at: encode_row((self._time_ms, available + held)),
            }
        if key.startswith(records.CONTRACT_PREFIX):
            return {records.deployed_key(key[len(records.CONTRACT_PREFIX) :].decode()): b""}
        if key.startswith(MOTION_PREFIX):
            self._take_motion(cast(MotionRow, decode_row(value)))
        elif key == layout.VALIDATORS:
            self.schedule = cast(Schedule, decode_row(value))
        return {}

    def sets(self) -> tuple[tuple[int, ValidatorSet], ...]:
        """Validator sets in force and ahead, by first height, ascending."""
        return tuple(
            (first, ValidatorSet(tuple(Validator(name, vote_key) for name, vote_key in listed)))
            for first, listed in self.schedule
        )

    def _take_motion(self, motion: MotionRow) -> None:
        subject, texts, numbers = motion[:3]
        if subject == "parameter":
            changed = zip(texts, numbers, strict=False)
            self.window_ms = max(self.window_ms, *(n for name, n in changed if name == "transaction_window_ms"), 0)


def result_row(height: int, block_digest: bytes, receipts_root: bytes, time_ms: int) -> tuple[bytes, bytes]:
    """The result of the snapshot's own block, as far as its certificate and its header tell it."""
    row = ResultRow(block_digest, receipts_root, bytes(32), time_ms, 0, 0, 0)
    return records.result_key(height), row.encode()
