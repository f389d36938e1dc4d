"""What a journal would end with, asked before it is posted.

A contract has no way to catch a refusal. Where money may be missing, or an order or an identity may stand in the
way, and something else is then to happen (an instalment that can't be collected is overdue), it asks first.
"""

from collections.abc import Sequence

from contracts.kernel import ledger
from contracts.kernel.layout import Leg
from contracts.kernel.scope import Scope
from contracts.language.faults import ContractError


def journal_refusal(scope: Scope, legs: Sequence[Leg]) -> str:
    """The code with which a journal of ``legs`` would end now; empty if it would be posted. Changes nothing.

    The journal is really posted, in a savepoint that is taken back: no second set of rules that could differ.
    """
    overlay = scope.overlay
    trial = Scope(
        overlay,
        scope.prefix,
        scope.height,
        scope.time_ms,
        scope.transaction_id,
        scope.sender,
        scope.signers,
        scope.meter,
        assumes_authority=scope.assumes_authority,
    )
    trial.acts_as, trial.payer = scope.acts_as, scope.payer
    trial.running.extend(scope.running)
    savepoint = overlay.savepoint()
    try:
        ledger.journal(trial, legs, "trial")
    except ContractError as error:
        return error.code
    finally:
        overlay.rollback(savepoint)
    return ""
