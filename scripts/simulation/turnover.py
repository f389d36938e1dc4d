"""Turnover: members come, go and take new keys while the storm goes on, by their own votes (N12).

The settlement agent validates nothing at first; its node, which takes the observer's place in such a run, has keys
like all others. What is moved is often refused, as unsafe or as done already: that is part of it.
"""

from collections.abc import Callable
from functools import partial

from contracts.kernel.member_keys import VOTE, key_message
from scripts.simulation import birth
from scripts.simulation.chronicle import Chronicle
from scripts.simulation.sets import Sets
from scripts.simulation.timeline import Timeline
from state.transaction import Transaction

MOTION_MS = 2_500
"""Mean time between motions."""

VOTE_MS_MAX = 400
"""A member thinks so long about its vote at most."""

LOOK_MS, PATIENCE_MS = 100, 15_000
"""Members look so often for a motion that they have heard of, and for so long."""

LIFE_MS = 600_000
"""How long a motion is open."""


class Turnover:
    """Moves and votes until it is told to end.

    :param faulty: the member that may do anything; it keeps its key and its seat.
    :param submit: sends a transaction until it is final.
    :param is_final: whether a transaction is.
    """

    def __init__(
        self,
        count: int,
        faulty: str | None,
        timeline: Timeline,
        chronicle: Chronicle,
        sets: Sets,
        submit: Callable[[Transaction], None],
        is_final: Callable[[bytes], bool],
    ) -> None:
        self._random = timeline.chance("turnover")
        self._members = [member for member in (birth.AGENT, *map(birth.bank, range(count))) if member != faulty]
        self._numbers = dict.fromkeys(self._members, 0)
        """How many keys of each member have been in a motion."""
        self._timeline = timeline
        self._chronicle = chronicle
        self._sets = sets
        self._submit = submit
        self._is_final = is_final
        self._is_over = False

    def begin(self) -> None:
        """The first motion, and after a while the next."""
        if not self._is_over:
            self._timeline.after(self._random.randint(1, 2 * MOTION_MS), self._move)

    def end(self) -> None:
        """No more motions; those that are open are voted on."""
        self._is_over = True

    def _move(self) -> None:
        if self._is_over:
            return
        seated = [validator.member for validator in self._sets.newest.validators]
        # The agent, by whom alone a set of four can grow, is as likely as all banks together.
        member = birth.AGENT if self._random.random() < 0.5 else self._random.choice(self._members)
        if member in seated and self._random.random() < 0.5:
            subject, texts = "observer", [member]
        else:
            subject, texts = "validator", [member, *self._next_key(member)]
        self._chronicle.say(member, f"is to be {subject}, key {self._numbers[member]}")
        motion = birth.motion(self._random, self._random.choice(seated), subject, texts, self._now_ms(), LIFE_MS)
        self._submit(motion)
        self._await(motion, self._now_ms() + PATIENCE_MS)
        self.begin()

    def _next_key(self, member: str) -> tuple[str, str]:
        """The key that the member has not used longest, and by which it says that it wants it."""
        self._numbers[member] += 1
        key = birth.vote_keys(member)[self._numbers[member] % birth.VOTE_KEYS]
        return key.public.hex(), key.sign(key_message(birth.CHAIN_ID, member, VOTE, key.public)).hex()

    def _await(self, motion: Transaction, until_ms: int) -> None:
        """Once the motion is there all vote, each in its time."""
        if self._is_final(motion.id):
            for validator in self._sets.newest.validators:
                vote = birth.vote(self._random, validator.member, motion, self._now_ms())
                self._timeline.after(self._random.randint(1, VOTE_MS_MAX), partial(self._submit, vote))
        elif self._now_ms() < until_ms:
            self._timeline.after(LOOK_MS, lambda: self._await(motion, until_ms))

    def _now_ms(self) -> int:
        return birth.GENESIS_MS + self._timeline.now_ms
