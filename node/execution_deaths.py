"""Deaths of the execution process: what each was of, and when there have been enough of them.

A kill (memory, processor time, a crash in native code, an operator's signal) is never a contract's result: another
validator may not have met it. So the process is started again and does its work again, and this node says the same
as the others. What kills it again at the same transaction would kill it for ever: then the node names the
transaction and signs nothing any more, until a person has found out why. A question that kills it twice is not asked
a third time.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

from node.execution_frames import SCHEDULED_WORK
from state import codec
from state.block import Block
from state.codec import Value
from state.digest import DIGEST_BYTES
from state.errors import Corrupt, Invalid, Reason

BLOCK_DEATHS_MAX = 3
"""The last that a block may cause, wherever in it they happen."""

DEATHS_MAX = 8
"""So many within ``DEATHS_SECONDS``, of whatever: this machine can't run it, and the node ends."""

DEATHS_SECONDS = 60.0

DEADLY_QUESTIONS_MAX = 64
"""Questions of which it has died that are remembered; the oldest is forgotten first."""

QUESTION_DEATHS_MAX = 2
"""So often may a question be what was answered when the process died: once may be chance."""


class Killed(Corrupt):
    """A transaction kills the execution process each time. The node stays up to say so, and signs nothing."""


@dataclass(frozen=True, slots=True)
class Death:
    """One death while a block was executed."""

    height: int
    index: int
    """Of the transaction, as the mark says."""
    how: str


class Deaths:
    """What the execution process of one node has died of."""

    def __init__(self) -> None:
        self.count = 0
        """Deaths since the start."""
        self._recent: deque[float] = deque(maxlen=DEATHS_MAX)
        self._of_block: list[Death] = []
        """Those at the newest block that had any."""
        self._deadly: OrderedDict[bytes, int] = OrderedDict()

    def add(self, how: str, now_seconds: float) -> None:
        """It has died. :raises Corrupt: too often."""
        self.count += 1
        self._recent.append(now_seconds)
        if len(self._recent) == DEATHS_MAX and now_seconds - self._recent[0] < DEATHS_SECONDS:
            raise Corrupt(
                f"The execution process has died {DEATHS_MAX} times within {DEATHS_SECONDS:.0f} s, last of {how}. Look "
                "at the machine's memory and at its kernel's log, then start the node again: it recovers by itself."
            )

    def at_block(self, block: Block, mark: tuple[int, int], how: str) -> str:
        """It died while it executed a block; of what, in words. :raises Killed: not for the first time."""
        index = mark[1] if mark[0] == block.height else SCHEDULED_WORK
        death = Death(block.height, index, how)
        earlier = [other for other in self._of_block if other.height == block.height]
        self._of_block = [*earlier, death]
        named = _named(block, index)
        again = [other for other in earlier if other.index == index]
        if again or len(self._of_block) >= BLOCK_DEATHS_MAX:
            first = again[0] if again else earlier[0]
            raise Killed(
                f"{named} has killed the execution process again ({first.how}, then {how}). A kill is never a "
                "contract's result, so this node has stopped voting. Find out why (memory, a defect of the program), "
                f"then start it again: its state is whole up to block {block.height - 1}, and it goes on from there."
            )
        return named

    def at_question(self, operation: str, arguments: Value) -> None:
        """It died while it answered a question."""
        question = _question(operation, arguments)
        self._deadly[question] = self._deadly.pop(question, 0) + 1
        while len(self._deadly) > DEADLY_QUESTIONS_MAX:
            self._deadly.popitem(last=False)

    def check_question(self, operation: str, arguments: Value) -> None:
        """:raises Invalid: UNAVAILABLE, the process has died of it too often."""
        if self._deadly and self._deadly.get(_question(operation, arguments), 0) >= QUESTION_DEATHS_MAX:
            raise Invalid(Reason.UNAVAILABLE, "answering this kills the execution process; it is not tried again")


def _named(block: Block, index: int) -> str:
    if index == SCHEDULED_WORK:
        return f"The scheduled work of block {block.height}"
    if 0 <= index < len(block.entries):
        return f"Transaction 0x{block.entries[index][:DIGEST_BYTES].hex()} of block {block.height}"
    return f"Writing block {block.height}"


def _question(operation: str, arguments: Value) -> bytes:
    return codec.pack([operation, codec.pack(arguments)])
