"""The financial contracts that ship with Hansa, written in the contract language.

Each file beside this one is one contract, named as the file is; none of them is ever imported.
"""

from importlib.resources import files
from typing import Final

NAMES: Final = (
    "accounts", "assets", "bank_money", "evidence", "feedback", "governance", "identity", "limits", "loans", "members",
    "orders", "payments", "remittances", "trades"
)  # fmt: skip

BANK_GRANTS: Final = ("payments", "remittances")
"""Those that a bank lets debit its own account: they pay its settlement money to other banks. In ascending order."""


def read_library() -> dict[str, str]:
    """Name → source of every contract of the library, in the order of names."""
    folder = files(__package__)
    return {name: (folder / f"{name}.py").read_text(encoding="utf-8") for name in NAMES}
