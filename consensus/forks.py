"""Two certificates that contradict each other: the proof that more than f validators lie, and who they are.

Any two quorums share f+1 validators, so that many have signed what no correct validator signs together. Two COMMIT
certificates of one view, and two CHECKPOINT certificates, name them by themselves. Of two views, the lower
certificate's COMMITs stand beside the VIEW-CHANGEs that opened the way to the other block: who signed both has hidden
what it had prepared (rule 14), and whoever decided in the higher view holds those VIEW-CHANGEs.
"""

from collections.abc import Iterable
from itertools import combinations

from state.certificate import Certificate
from state.evidence import Evidence, contradict, evidence_of
from state.validators import ValidatorSet
from state.votes import SignedVote


def culprits(
    one: Certificate, other: Certificate, changes: Iterable[SignedVote], validators: ValidatorSet
) -> tuple[Evidence, ...]:
    """Evidence against everybody whom these votes convict, by ascending index, one for each.

    :param changes: VIEW-CHANGEs of the certificates' height; every signature is checked already.
    :param validators: V(height).
    """
    signed: dict[int, list[SignedVote]] = {}
    for certificate in (one, other):
        for signer, signature in certificate.signatures:
            signed.setdefault(signer, []).append(SignedVote(certificate.vote, signer, signature))
    for change in changes:
        signed.setdefault(change.signer, []).append(change)
    found = []
    for signer in sorted(signed):
        for first, second in combinations(signed[signer], 2):
            if contradict(first.vote, second.vote):
                found.append(evidence_of(validators.validators[signer].vote_key, first, second))
                break
    return tuple(found)
