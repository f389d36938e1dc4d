"""Evidence on chain: two votes that no correct validator signs together, judged by the kernel, kept for everybody.

It proves itself, so it does not matter who brings it. A member's node brings it by itself, signed with its node key,
which has no other authority here.
"""

from contracts.kernel import layout, members
from contracts.kernel.codes import refuse
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
        validators = members.validators_at(scope.overlay, evidence.height)
        if validators is None:
            refuse("bad_evidence", "the validators of that height are no longer known")
        row = scope.overlay.get(layout.CHAIN)
        assert row is not None, "a chain without its id"
        return evidence.check(validators, row[0], verify), evidence.height  # type: ignore[arg-type]
    except Invalid as error:
        refuse("bad_evidence", error.detail)


def is_report(scope: Scope, body: Body) -> bool:
    """Whether a member's node reports evidence: that call alone, from the member's account, by its node key alone."""
    if len(body.calls) != 1 or (body.calls[0].contract, body.calls[0].method) != (CONTRACT, METHOD):
        return False
    member = members.member_of(scope, body.sender)
    key = members.member(scope, member)[6] if member and body.fuel_payer is None else None
    return key is not None and [public for _, public in body.keys] == [key]
