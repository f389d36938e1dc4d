"""Repair: what a node does by itself about damaged data, once, and when it leaves it to a person.

The world state is rebuilt from the chain, and the chain is fetched from peers; both are checked against certificates
from genesis on, so neither needs to be believed. What is damaged is set aside, never deleted: as evidence, and because
a disk that has failed once may fail again. So each part is set aside at most once; the next time a person has to look.

The journal is never touched: nobody else knows what this node has signed. The chain of a node that is the only
validator is not either: nobody has it.
"""

import logging
from dataclasses import dataclass

from genesis.document import Genesis
from node.copying import sync_directory
from node.home import Home
from state.errors import StorageFailure
from state.store import DAMAGED

SET_ASIDE = "set-aside"
"""Directory below ``data`` for what was damaged."""

NOTED = "damaged"
"""File below ``data``: which part a running node has found damaged. Its next start sets that part aside."""

STATE_SAYS = ("The world state", "gives another state than it gave before")
CHAIN_SAYS = ("the anchor names block", "is damaged, so it cannot be told", "is missing from the chain")
"""What the refusals of each part begin with, or contain, beside those of their databases."""

logger = logging.getLogger("hansa.node")


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of the data that can't be used, and can be had again."""

    part: str
    """``state`` or ``chain``."""
    sentence: str


def damage_of(home: Home, sentence: str, *, has_past: bool = True) -> Damage | None:
    """Which part a refusal is about; None where nothing can be had again, or a person must look first (a full disk).

    :param has_past: whether the chain begins with block 1: the state can be rebuilt from no other.
    """
    for part, path, says in (("state", home.state, STATE_SAYS), ("chain", home.chain, CHAIN_SAYS)):
        is_database = f"The database {path} " in sentence and DAMAGED in sentence
        if is_database or any(words in sentence for words in says):
            return Damage(part if has_past else "chain", sentence)
    return None


def may_repair(home: Home, genesis: Genesis, damage: Damage) -> bool:
    """Whether that part may be set aside by the node itself."""
    if damage.part == "chain" and len(genesis.validators().validators) == 1:
        return False
    return not (home.data / SET_ASIDE / damage.part).exists()


def note(home: Home, damage: Damage) -> None:
    """Remember for the next start what this life has found. A disk that takes no note keeps the damage as well."""
    try:
        (home.data / NOTED).write_text(f"{damage.part}\n")
    except OSError:
        pass


def noted(home: Home) -> Damage | None:
    """What an earlier life has found."""
    try:
        part = (home.data / NOTED).read_text("ascii", "replace").strip()
    except OSError:
        return None
    return Damage(part, f"its last life found the {part} damaged") if part in ("state", "chain") else None


def set_aside(home: Home, damage: Damage) -> None:
    """Move the part away, durably, so that the next thing that opens it finds nothing there.

    :raises StorageFailure: the disk refuses.
    """
    target = home.data / SET_ASIDE / damage.part
    moved = [home.state] if damage.part == "state" else [home.anchor, home.state, home.chain]
    try:
        target.mkdir(parents=True)
        for path in moved:
            if path.exists():
                path.rename(target / path.name)
        for directory in (target, target.parent, home.data):
            sync_directory(directory)
        (home.data / NOTED).unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailure(
            f"{home.data} can't be repaired: {error.strerror} ({error.filename}). Mend the disk and start again."
        ) from error
    again = "it is rebuilt from the chain" if damage.part == "state" else "it is fetched from peers"
    facts = {"part": damage.part, "kept_in": str(target)}
    logger.warning(f"damaged data is set aside, and {again}: {damage.sentence}", extra={"facts": facts})


def mend(home: Home, genesis: Genesis, damage: Damage | None) -> bool:
    """Set aside what a refusal is about, if it may be; whether a new start is worth it. :raises StorageFailure: as
    ``set_aside``."""
    if damage is None or not may_repair(home, genesis, damage):
        return False
    set_aside(home, damage)
    return True


