"""The gate: what the law and the banks' own rules say to a movement of money, once, below every contract.

``check_free`` judges what somebody chooses to do now: a free posting, or a new hold. ``check_settle`` judges the
posting of a hold that was checked when it was made: obligations still settle, so only freezes are looked at again.
Both are called before anything is written.
"""

from collections.abc import Sequence

from contracts.kernel.layout import Leg
from contracts.kernel.scope import Scope


def check_free(scope: Scope, legs: Sequence[Leg]) -> None:
    """Whether these legs of a free posting or a new hold may be. :raises ContractError: with a code of the kernel's."""


def check_settle(scope: Scope, legs: Sequence[Leg]) -> None:
    """Whether these legs of a hold's posting may be. :raises ContractError: with a code of the kernel's."""
