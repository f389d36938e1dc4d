"""A home that was put back from a backup, or taken back to an earlier height: a note that stays until it is safe to
sign.

The vote record in a backup is an old one. By rule 3 a node that starts hears from q − 1 other validators first, and
abstains up to the newest of its own votes that they hold; that finds most of what was signed since. Of a home with
this note it is known that its record may be old, so more is asked: whatever its old self signed was at most two
heights above what any of those it hears from had decided. It signs nothing until that height is decided, and only then
the note goes. Where the other validators were all restored as well, nobody is left to decide: then every bank moves
its note away, once they have agreed on what they start from.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from node.copying import sync_directory
from node.home import Home
from state.errors import Corrupt

NOTE = "restored.json"
"""Name of the note, in a home's data directory."""

FORMAT = 1

HEIGHTS_ABOVE = 2
"""A vote of height h needs h − 1 decided; who signed the certificate of h − 1 had decided h − 2."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What the note says."""

    why: str
    height: int
    """Where the chain stood then."""


def write_note(data: Path, restored: Restored) -> None:
    """Note it, durably, in a home's data directory."""
    path = data / NOTE
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "why": restored.why, "height": str(restored.height)}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def read_note(home: Home) -> Restored | None:
    """The note, None without one. One that can't be read counts as one: it is the careful answer.

    :raises Corrupt: the disk refuses.
    """
    path = home.data / NOTE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Corrupt(f"{path} cannot be read: {error.strerror}. Check the disk and start again.") from error
    try:
        found = json.loads(content)
        return Restored(str(found["why"]), int(found["height"]))
    except (ValueError, KeyError, TypeError):
        return Restored("the note itself is damaged", 0)


def is_restored(home: Home, *, votes: bool) -> bool:
    """Whether a node that starts here must take its vote record for an old one. Who has no vote needs no note."""
    found = read_note(home)
    if found is not None and not votes:
        remove_note(home)
    return found is not None and votes


def remove_note(home: Home) -> None:
    """It is safe to sign."""
    (home.data / NOTE).unlink(missing_ok=True)
    sync_directory(home.data)
