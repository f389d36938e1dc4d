"""The signer: the one holder of the vote key. It checks, persists, and only then lets a signature go.

``consensus.safety`` says what may be signed given what was; this module keeps that record in the journal and the
key in memory, and offers no way to a signature around them: what ``request`` takes comes out of ``synced`` once the
journal has it.
"""

from collections import deque
from collections.abc import Callable, Sequence

from consensus import safety
from consensus.events import Signed, SigningRefused
from consensus.safety import Allow, Refuse, Repeat, SignRequest
from node import records
from node.journal import Journal
from node.records import Recovered
from state.keys import KeyPair
from state.validators import ValidatorSet
from state.votes import Checkpoint, SignedVote, Vote, signing_payload

Answer = Signed | SigningRefused


class Signer:
    """Signs votes for one validator.

    A validator that rotates its key holds two for a while: each height is signed with the one that its set names, so
    the record, which goes by height, is right for both.

    :param key: the vote key; nobody else has it.
    :param recovered: what the journal gave back at start.
    :param others: further vote keys of the same validator.
    :param validators_at: V(height), None where it is not known: asked which key signed what was recovered.
    """

    def __init__(
        self,
        key: KeyPair,
        chain_id: bytes,
        journal: Journal,
        recovered: Recovered,
        others: Sequence[KeyPair] = (),
        validators_at: Callable[[int], ValidatorSet | None] = lambda height: None,
    ) -> None:
        self._key = key
        self._keys = (key, *others)
        self._validators_at = validators_at
        self._chain_id = chain_id
        self._journal = journal
        self._waiting: deque[tuple[int, list[Answer]]] = deque()
        self._current: list[SignRequest] = []
        self.record = recovered.record
        for index, request in enumerate(recovered.requests):
            if index >= recovered.recorded_count:
                self.record = safety.recorded(self.record, request, self._sign(request.vote))
            if request.vote.height == self.record.height:
                self._keep(request)

    @property
    def public(self) -> bytes:
        """The first vote key's public half."""
        return self._key.public

    @property
    def others(self) -> tuple[bytes, ...]:
        """Public halves of the further vote keys."""
        return tuple(key.public for key in self._keys[1:])

    def signs_in(self, validators: ValidatorSet) -> bool:
        """Whether one of the keys is in the set."""
        return any(validators.index_of(key.public) is not None for key in self._keys)

    def request(
        self, token: int, requests: Sequence[SignRequest], validators_at: Callable[[int], ValidatorSet]
    ) -> None:
        """Check requests and write them to the journal; ``synced`` gives the answers when that is durable.

        :param token: the journal sync that covers them; ascending.
        """
        answers: list[Answer] = []
        for request in requests:
            decision = safety.decide(self.record, request, validators_at(request.vote.height))
            if isinstance(decision, Refuse):
                answers.append(SigningRefused(request, decision.reason))
            elif isinstance(decision, Repeat):
                answers.append(Signed(request, decision.signature))
            else:
                assert isinstance(decision, Allow)
                signature = self._sign(request.vote)
                self._journal.append(records.request_record(request))
                self.record = safety.recorded(self.record, request, signature)
                self._keep(request)
                answers.append(Signed(request, signature))
        self._waiting.append((token, answers))

    def synced(self, token: int) -> list[Answer]:
        """The answers to every request up to ``token``, now that the journal is durable that far."""
        answers: list[Answer] = []
        while self._waiting and self._waiting[0][0] <= token:
            answers.extend(self._waiting.popleft()[1])
        return answers

    def signed_above(self, height: int) -> tuple[Signed, ...]:
        """Everything signed at the newest height, if that is above ``height``, with the same signatures as before."""
        return tuple(
            Signed(request, self._sign(request.vote)) for request in self._current if request.vote.height > height
        )

    def checkpoints(self, first_height: int) -> tuple[Signed, ...]:
        """Own CHECKPOINTs from ``first_height`` on, ascending."""
        return tuple(
            Signed(SignRequest(stored.vote), stored.signature)
            for stored in self.record.checkpoints
            if stored.vote.height >= first_height
        )

    def is_own(self, signed: SignedVote) -> bool:
        """Whether this key really signed that vote, in this life or an earlier one."""
        payload = signing_payload(signed.vote, self._chain_id)
        return any(key.sign(payload) == signed.signature for key in self._keys)

    def kept(self) -> list[SignRequest]:
        """Requests of the newest height: what compaction must leave in the journal."""
        return list(self._current)

    def _keep(self, request: SignRequest) -> None:
        if isinstance(request.vote, Checkpoint):
            return
        if self._current and self._current[0].vote.height < request.vote.height:
            self._current.clear()
        if all(kept.vote != request.vote for kept in self._current):
            self._current.append(request)

    def _sign(self, vote: Vote) -> bytes:
        return self._key_at(vote.height).sign(signing_payload(vote, self._chain_id))

    def _key_at(self, height: int) -> KeyPair:
        """The key that the set of the height names; the first where the set is not known, or names none."""
        validators = None if len(self._keys) == 1 else self._validators_at(height)
        if validators is None:
            return self._key
        return next((key for key in self._keys if validators.index_of(key.public) is not None), self._key)
