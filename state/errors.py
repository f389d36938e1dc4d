"""The three kinds of error, and the one list of reasons for which bytes from outside are refused.

``Invalid`` is the sender's fault and carries a stable reason. ``AssertionError`` is our bug. ``Corrupt``
is our disk: the process ends and says how to recover.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something from outside was refused. The value is a stable code: programs compare it."""

    MALFORMED = "malformed"  # the bytes are not one canonical spelling of a value
    TOO_LARGE = "too_large"  # a named size limit is passed
    BAD_VERSION = "bad_version"  # a version or suite byte that this node does not know
    BAD_ADDRESS = "bad_address"  # not a bech32m address of this network
    BAD_SIGNATURE = "bad_signature"  # a signature that libsodium does not accept
    WRONG_CHAIN = "wrong_chain"  # signed for another chain
    EXPIRED = "expired"  # valid_until_ms has passed
    TOO_FAR_AHEAD = "too_far_ahead"  # valid_until_ms lies beyond the window
    DUPLICATE = "duplicate"  # already there
    STRANGER = "stranger"  # a signer or peer that is not a member
    NO_QUORUM = "no_quorum"  # fewer distinct signers than a quorum
    CONFLICT = "conflict"  # contradicts what is already recorded
    BAD_PROOF = "bad_proof"  # a Merkle or tree proof that does not lead to the root
    BAD_SEAL = "bad_seal"  # sealed data that a key does not open, or that is not what the chain commits to
    BAD_BLOCK = "bad_block"  # a block that breaks a rule of validity
    BAD_GENESIS = "bad_genesis"  # a genesis document that breaks a rule
    BAD_KEY_FILE = "bad_key_file"  # a key file or passphrase that can't be used as it is
    BAD_CONFIGURATION = "bad_configuration"  # a configuration file that breaks a rule
    FULL = "full"  # a bounded queue or pool has no room
    BUSY = "busy"  # more is asked for than can be done in a bounded time
    UNKNOWN = "unknown"  # names something that is not there
    UNAVAILABLE = "unavailable"  # exists, but is not to be had at this node now
    UPGRADE_NEEDED = "upgrade_needed"  # the members have voted for rules that this software does not know
    PRUNED = "pruned"  # was there, and is no longer kept at this node: an archive node has it
    GAP = "gap"  # a cursor points at what is no longer kept


class Invalid(Exception):
    """Refused because of what the sender sent.

    :param reason: stable code.
    :param detail: one sentence for a person.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


class Corrupt(Exception):
    """Our own disk holds something that it must not. The message says what and how to recover."""


class StorageFailure(Corrupt):
    """The disk or the database refused to read or write. What it acknowledges from now on cannot be believed, so
    the process ends at once; the handle is never used again. The message says what failed and how to recover."""
