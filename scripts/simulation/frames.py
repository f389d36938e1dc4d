"""What frames say."""

from consensus import messages
from consensus.messages import Message
from node import seams

Frame = seams.VoteFrame | seams.BulkFrame


def message_of(frame: seams.Event) -> Message | None:
    """The message of a votes frame, None for anything else. :raises Invalid: as ``messages.decode``."""
    return messages.decode(frame.payload) if isinstance(frame, seams.VoteFrame) else None
