"""Evidence on chain: two votes that no correct validator signs together, judged by the kernel, kept for everybody.

It proves itself, so it does not matter who brings it, nor when: a vote key names its member for ever, also when the
member has left or has another key. A member's node brings it by itself, signed with its node key,
which has no other authority here.
"""

from typing import cast

from contracts.kernel import layout, members
from contracts.kernel.codes import refuse
from contracts.kernel.member_keys import VOTE
from contracts.kernel.scope import Scope
from state.errors import Invalid
from state.evidence import Evidence
from state.keys import verify
from state.transaction import Body

CONTRACT, METHOD = "evidence", "report"
"""The one call that a node key may sign."""


def check(scope: Scope, encoded: bytes) -> tuple[str, int]:
    """The guilty member and the height of both votes. :raises ContractError: bad_evidence."""
    try:
        evidence = Evidence.decode(encoded)
        owner, chain = scope.overlay.get(layout.key_key(evidence.vote_key)), scope.overlay.get(layout.CHAIN)
        if owner is None or owner[1] != VOTE:
            refuse("bad_evidence", "the key is and was no validator's")
        assert chain is not None, "a chain without its id"
        chain_id = cast(bytes, chain[0])
        validators = members.validators_at(scope.overlay, evidence.height)
        if validators is None or validators.index_of(evidence.vote_key) is None:
            evidence.check_votes(chain_id, verify)
        else:
            evidence.check(validators, chain_id, verify)
    except Invalid as error:
        refuse("bad_evidence", error.detail)
    return cast(str, owner[0]), evidence.height


def is_report(scope: Scope, body: Body) -> bool:
    """Whether a member's node reports evidence: that call alone, from the member's account, by its node key alone."""
    if len(body.calls) != 1 or (body.calls[0].contract, body.calls[0].method) != (CONTRACT, METHOD):
        return False
    member = members.member_of(scope, body.sender)
    key = members.member(scope, member)[6] if member and body.fuel_payer is None else None
    return key is not None and [public for _, public in body.keys] == [key]
