"""View changes as arithmetic and checks: where f+1 lead, which VIEW-CHANGEs open a view, what a NEW-VIEW proves."""

from collections.abc import Iterable, Mapping

from consensus.messages import NewViewMessage, ViewChangeMessage, digest_of_view_changes, signed_vote_of
from consensus.safety import view_of
from consensus.tally import Tally
from state.certificate import Certificate
from state.errors import Invalid, Reason
from state.validators import ValidatorSet
from state.votes import Prepare, SignedVote, ViewChange

VIEW_TIMEOUT_MS = 500
"""Of view 0: several times what a decision takes between continents."""

VIEW_TIMEOUT_DOUBLINGS_MAX = 3
"""The timeout stops at 4 s, so that progress resumes within 10 s of a quorum's return."""


def timeout_ms(view: int) -> int:
    """How long a view may take: 500 ms, doubling to 4 s."""
    return VIEW_TIMEOUT_MS << min(view, VIEW_TIMEOUT_DOUBLINGS_MAX)


def led_to(views: Iterable[int], faulty_max: int) -> int:
    """The highest view that f+1 distinct validators ask for or have passed; 0 when fewer ask for any.

    :param views: the highest VIEW-CHANGE of each validator that has sent one.
    """
    highest = sorted(views, reverse=True)
    return highest[faulty_max] if len(highest) > faulty_max else 0


def count_at_least(views: Iterable[int], view: int) -> int:
    """How many validators ask for ``view`` or a higher one: who asks for more has left the views below, too."""
    return sum(asked >= view for asked in views)


def chosen(changes: Mapping[int, ViewChangeMessage], view: int, quorum: int) -> tuple[ViewChangeMessage, ...]:
    """q VIEW-CHANGEs for exactly ``view``, the highest prepared among them, ascending by signer; else empty."""
    fitting = [change for change in changes.values() if change.vote.view == view]
    if len(fitting) < quorum:
        return ()
    fitting.sort(key=lambda change: (-_prepared_view(change.vote), change.signer))
    return tuple(sorted(fitting[:quorum], key=lambda change: change.signer))


def highest_prepared(changes: Iterable[ViewChangeMessage]) -> ViewChangeMessage | None:
    """The VIEW-CHANGE that carries the prepared certificate of the highest view, None without any."""
    carrying = [change for change in changes if change.prepared is not None]
    return max(carrying, key=lambda change: (_prepared_view(change.vote), -change.signer), default=None)


def bare(changes: Iterable[ViewChangeMessage]) -> tuple[SignedVote, ...]:
    """The votes alone, as NEW-VIEW carries them."""
    return tuple(signed_vote_of(change) for change in changes)


def check_view_change(message: ViewChangeMessage, tally: Tally) -> None:
    """Check a VIEW-CHANGE with what it carries, signature first.

    :raises Invalid: STRANGER, BAD_SIGNATURE, BAD_PROOF or NO_QUORUM.
    """
    vote = message.vote
    if vote.view == 0 or (vote.prepared_view is not None and vote.prepared_view >= vote.view):
        raise Invalid(Reason.BAD_PROOF, "a VIEW-CHANGE asks for a view above 0 and above what is prepared")
    tally.check_signature(signed_vote_of(message))
    prepared = message.prepared
    if vote.prepared_view is None or vote.prepared_digest is None:
        if prepared is not None:
            raise Invalid(Reason.BAD_PROOF, "a certificate that the vote does not name")
        return
    if prepared is None or prepared.vote != Prepare(vote.height, vote.prepared_view, vote.prepared_digest):
        raise Invalid(Reason.BAD_PROOF, "the prepared certificate is not the one that the vote names")
    if message.block is None or message.block.digest != vote.prepared_digest:
        raise Invalid(Reason.BAD_PROOF, "the prepared block is missing")
    tally.check_certificate(prepared)


def check_new_view(message: NewViewMessage, validators: ValidatorSet, tally: Tally) -> None:
    """Check that a NEW-VIEW had to choose this block. Its own signature is checked before.

    :raises Invalid: BAD_PROOF, NO_QUORUM, STRANGER or BAD_SIGNATURE.
    """
    vote = message.vote
    signers = [item.signer for item in message.view_changes]
    if sorted(set(signers)) != signers:
        raise Invalid(Reason.BAD_PROOF, "signers are distinct and in ascending order")
    if len(signers) < validators.quorum:
        raise Invalid(Reason.NO_QUORUM, f"{len(signers)} VIEW-CHANGEs, a quorum is {validators.quorum}")
    if digest_of_view_changes(message.view_changes) != vote.view_changes:
        raise Invalid(Reason.BAD_PROOF, "the VIEW-CHANGEs are not those that the vote names")
    highest: Prepare | None = None
    for item in message.view_changes:
        change = item.vote
        if not isinstance(change, ViewChange) or (change.height, change.view) != (vote.height, vote.view):
            raise Invalid(Reason.BAD_PROOF, "a VIEW-CHANGE is of another height or view")
        if change.prepared_view is not None and change.prepared_digest is not None:
            if change.prepared_view >= change.view:
                raise Invalid(Reason.BAD_PROOF, "a VIEW-CHANGE names a prepared view that it asks to leave")
            if highest is None or change.prepared_view > highest.view:
                highest = Prepare(change.height, change.prepared_view, change.prepared_digest)
    _check_choice(highest, message.prepared, vote.digest)
    for item in message.view_changes:
        if not tally.holds(item):
            tally.check_signature(item)
    if message.prepared is not None:
        tally.check_certificate(message.prepared)


def carried(own: Certificate | None, height: int, view: int) -> ViewChange:
    """The VIEW-CHANGE of a replica whose highest prepared certificate is ``own``."""
    if own is None:
        return ViewChange(height, view, None, None)
    vote = own.vote
    assert isinstance(vote, Prepare)
    return ViewChange(height, view, view_of(own), vote.digest)


def _check_choice(highest: Prepare | None, prepared: Certificate | None, digest: bytes) -> None:
    if (None if prepared is None else prepared.vote) != highest:
        raise Invalid(Reason.BAD_PROOF, "the certificate is not the highest that the VIEW-CHANGEs name")
    if highest is not None and highest.digest != digest:
        raise Invalid(Reason.BAD_PROOF, "a prepared block must be proposed again")


def _prepared_view(vote: ViewChange) -> int:
    return -1 if vote.prepared_view is None else vote.prepared_view
