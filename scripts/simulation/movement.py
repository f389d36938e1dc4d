"""How views may move (rule 6), judged by the VIEW-CHANGEs that were ever sent, whoever received them.

A replica asks for a view because f+1 others ask for that view or a higher one, or because the view before it took too
long: then that was view 0, or q validators had asked for it. Fewer never move anybody, whatever they send.
"""

from collections.abc import Iterable

from consensus.messages import Message, NewViewMessage, ViewChangeMessage, signed_vote_of
from state.votes import SignedVote, ViewChange

HEIGHTS_REMEMBERED = 128
"""The lowest give way: twice what a liar may be ahead of the chain, so that what is asked now is never forgotten."""


class Movement:
    """Who has asked for which view of which height."""

    def __init__(self) -> None:
        self._asked: dict[int, dict[int, int]] = {}

    def note(self, asked: SignedVote) -> None:
        """A VIEW-CHANGE that its signer did sign."""
        vote = asked.vote
        assert isinstance(vote, ViewChange)
        views = self._asked.setdefault(vote.height, {})
        views[asked.signer] = max(vote.view, views.get(asked.signer, 0))
        if len(self._asked) > HEIGHTS_REMEMBERED:
            del self._asked[min(self._asked)]

    def is_allowed(self, asked: SignedVote, count: int) -> bool:
        """Whether its signer, being honest, may ask for that now, by the rule; ``count`` validate that height."""
        vote = asked.vote
        assert isinstance(vote, ViewChange)
        views = self._asked.get(vote.height, {})
        faulty_max = (count - 1) // 3
        leading = sum(view >= vote.view for signer, view in views.items() if signer != asked.signer)
        if leading > faulty_max or vote.view == 1:
            return True
        return sum(view >= vote.view - 1 for view in views.values()) >= (count + faulty_max + 2) // 2


def view_changes_of(message: Message | None) -> Iterable[SignedVote]:
    """The VIEW-CHANGEs in a message; their signatures may be wrong."""
    if isinstance(message, ViewChangeMessage):
        return (signed_vote_of(message),)
    if isinstance(message, NewViewMessage):
        return tuple(item for item in message.view_changes if isinstance(item.vote, ViewChange))
    return ()
