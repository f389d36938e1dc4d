"""Identity: a bank registers its customers by data that only named readers can open, and vouches for them.

The data is sealed before it is sent: to the customer's bank and to the regulators over it, who can't be left out. In
the clear stand the status, and once the bank has verified the holder, a level, until when, the jurisdiction and a
risk class; that is what every payment is judged by. References are public: they name a file, never a person.
"""

from hansa import Address, action, ctx, ledger, query, require


@action
def publish_keys(keys: list[bytes]) -> int:
    """Publish one-time reading keys of the sender's member; answers the number of the first."""
    return ledger.publish_reading_keys(own_member(), keys)


@action
def register(account: Address, sealed: bytes) -> str:
    """Register the holder of an account of the sender bank by a sealed record; answers the record's id."""
    sealed_id = ledger.seal("identity", ledger.account_bank(account), account, sealed)
    ledger.submit_identity(account, sealed_id)
    return sealed_id


@action
def submit(account: Address, sealed_id: str) -> None:
    """Register the holder by a record that is on chain already."""
    ledger.submit_identity(account, sealed_id)


@action
def request_information(account: Address, reference: str) -> None:
    """The bank needs more before it can verify the holder."""
    ledger.request_information(account, reference)


@action
def verify(account: Address, level: int, expires_ms: int, jurisdiction: str, risk_class: str) -> None:
    """The bank vouches for the holder at a level, until a time; again to renew or to change it."""
    ledger.verify_identity(account, level, expires_ms, jurisdiction, risk_class)


@action
def suspend(account: Address, reference: str) -> None:
    """The bank, or a regulator over it, suspends the identity: from now on the holder neither pays nor is paid."""
    ledger.suspend_identity(account, reference)


@action
def resume(account: Address, reference: str) -> None:
    """End a suspension; what a regulator has suspended only a regulator resumes."""
    ledger.resume_identity(account, reference)


@action
def revoke(account: Address, reference: str) -> None:
    """The bank, or a regulator over it, ends the identity."""
    ledger.revoke_identity(account, reference)


@action
def add_reader(sealed_id: str, member: str, number: int, wrapped: bytes) -> None:
    """The sender, a reader of the record, lets another member read it by that member's reading key ``number``."""
    ledger.add_reader(sealed_id, own_member(), member, number, wrapped)


@action
def order_erasure(sealed_id: str, reference: str) -> None:
    """The record's owner orders its erasure; the reference names the legal reason."""
    ledger.order_erasure(sealed_id, reference)


@action
def attest_erasure(sealed_id: str) -> None:
    """The sender, a reader, attests that it has destroyed its private key of the record."""
    ledger.attest_erasure(sealed_id, own_member())


@query
def status(account: Address) -> tuple[str, int, int, str, str]:
    """Status (empty where nobody has registered the holder), level, expiry, jurisdiction and risk class."""
    return ledger.identity_of(account)


@query
def record_of(account: Address) -> str:
    """Id of the sealed record that the holder's identity rests on."""
    return ledger.identity_record(account)


@query
def record_info(sealed_id: str) -> tuple[str, str, str, str]:
    """Kind, owner, subject and status of a sealed record."""
    return ledger.record_info(sealed_id)


@query
def readers(sealed_id: str) -> list[str]:
    """The members that a sealed record's key is wrapped to."""
    return ledger.record_readers(sealed_id)


@query
def mandated(owner: str) -> list[str]:
    """The regulators that must be able to read what the member seals."""
    return ledger.mandated_readers(owner)


@query
def reading_keys(member: str) -> list[tuple[int, bytes]]:
    """Unused reading keys of a member, at most 64: take any of them."""
    return ledger.reading_keys(member)


@query
def reading_key_count(member: str) -> int:
    """How many unused reading keys the member has left."""
    return ledger.reading_key_count(member)


def own_member() -> str:
    """The member whose account sends."""
    member = ledger.member_of(ctx.sender)
    require(member != "", "not_a_member", "the sender is no member's own account")
    return member
