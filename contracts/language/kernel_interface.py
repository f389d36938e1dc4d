"""The seam between the language and the kernel: what a contract may ask for, and what it costs.

``LEDGER_FUNCTIONS`` is the one table of kernel functions. The checker resolves ``ledger.<name>(…)`` against it,
the compiler converts arguments and results by its types, and a test holds the editor stub to it. ``Host`` is
what the kernel implements; every value that crosses it is plain (see ``Plain``) and a copy.

To add a kernel function: a row here, a method in ``contracts/stubs/hansa/__init__.pyi``, and a branch in the
kernel's ``ledger_call``. Rows never change meaning once a chain has used them.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from state.fact import fact

Plain: TypeAlias = None | bool | int | str | bytes | list["Plain"]
"""What crosses the seam: None, bool, int, str, bytes and lists of these. Canonical msgpack holds all of it.

A record and a tuple are a list of their fields in order; a dict is a list of ``[key, value]`` in its own order; an
``int`` outside −2**63 … 2**64−1 is its two's complement, big end first, as bytes (types are declared, so that
nothing is ambiguous).
"""

KeyPart: TypeAlias = bool | int | str | bytes
StorageKey: TypeAlias = tuple[KeyPart, ...]
"""A map's key as its parts: ``customers[address]`` gives ``(address,)``, ``limits[bank, code]`` gives both."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One kernel function as a contract sees it.

    ``parameters`` are (name, annotation) in order; ``defaults`` gives trailing ones a literal; ``fuel`` is charged
    before the kernel is entered; ``writes`` keeps it out of queries.
    """

    parameters: tuple[tuple[str, str], ...]
    returns: str
    fuel: int
    writes: bool = True
    defaults: dict[str, None | bool | int | str | bytes] = field(default_factory=dict)


LEDGER_FUNCTIONS: Final[dict[str, Signature]] = {
    "transfer": Signature(
        (("asset", "Asset"), ("source", "Address"), ("target", "Address"), ("amount", "Amount"),
         ("purpose", "str"), ("reference", "str")),
        "None", 4_000, defaults={"reference": ""}),
    "journal": Signature(
        (("legs", "list[tuple[Asset, Address, int]]"), ("purpose", "str"), ("reference", "str")),
        "None", 4_000, defaults={"reference": ""}),
    "journal_refusal": Signature((("legs", "list[tuple[Asset, Address, int]]"),), "str", 5_000, writes=False),
    "mint": Signature(
        (("asset", "Asset"), ("target", "Address"), ("amount", "Amount"), ("purpose", "str"), ("reference", "str")),
        "None", 4_000, defaults={"reference": ""}),
    "burn": Signature(
        (("asset", "Asset"), ("source", "Address"), ("amount", "Amount"), ("purpose", "str"), ("reference", "str")),
        "None", 4_000, defaults={"reference": ""}),
    "balance": Signature((("asset", "Asset"), ("account", "Address")), "Amount", 500, writes=False),
    "held": Signature((("asset", "Asset"), ("account", "Address")), "Amount", 500, writes=False),
    "supply": Signature((("asset", "Asset"),), "Amount", 500, writes=False),
    "hold": Signature(
        (("asset", "Asset"), ("account", "Address"), ("amount", "Amount"), ("beneficiary", "Address"),
         ("expires_ms", "int"), ("purpose", "str"), ("reference", "str")),
        "str", 9_500, defaults={"reference": ""}),
    "post_hold": Signature((("hold", "str"), ("amount", "Amount"), ("purpose", "str")), "None", 9_500),
    "void_hold": Signature((("hold", "str"),), "None", 7_500),
    "expire_hold": Signature((("hold", "str"),), "None", 7_500),
    "hold_status": Signature((("hold", "str"),), "str", 500, writes=False),
    "hold_info": Signature(
        (("hold", "str"),), "tuple[Asset, Address, Amount, Address, int, str]", 500, writes=False),
    "may_settle": Signature((("hold", "str"),), "bool", 1_500, writes=False),
    "may_exchange": Signature(
        (("hold", "str"), ("taker", "Address"), ("amount", "Amount"), ("asset", "Asset"), ("price", "Amount")),
        "str", 3_000, writes=False),
    "free_hold": Signature((("hold", "str"),), "None", 6_000),
    "reserved": Signature((("asset", "Asset"),), "Amount", 500, writes=False),
    "post_holds": Signature(
        (("fills", "list[tuple[str, Address, Amount, bool]]"), ("legs", "list[tuple[Asset, Address, int]]"),
         ("purpose", "str"), ("reference", "str")),
        "list[str]", 12_000, defaults={"reference": ""}),
    "hold_group": Signature((("holds", "list[str]"),), "str", 4_500),
    "post_group": Signature((("group", "str"), ("amounts", "list[Amount]"), ("purpose", "str")), "None", 11_000),
    "void_group": Signature((("group", "str"),), "None", 9_000),
    "group_status": Signature((("group", "str"),), "str", 500, writes=False),
    "open_account": Signature(
        (("keys", "list[tuple[bytes, int]]"), ("threshold", "int"), ("salt", "bytes"), ("bank", "str")),
        "Address", 12_000, defaults={"bank": ""}),
    "account_bank": Signature((("account", "Address"),), "str", 500, writes=False),
    "grant": Signature((("account", "Address"), ("contract", "str")), "None", 2_000),
    "withdraw_grant": Signature((("account", "Address"), ("contract", "str")), "None", 2_000),
    "has_grant": Signature((("account", "Address"), ("contract", "str")), "bool", 500, writes=False),
    "rotate_keys": Signature(
        (("account", "Address"), ("keys", "list[tuple[bytes, int]]"), ("threshold", "int")), "None", 6_000),
    "start_recovery": Signature(
        (("account", "Address"), ("keys", "list[tuple[bytes, int]]"), ("threshold", "int")), "int", 6_000),
    "cancel_recovery": Signature((("account", "Address"),), "None", 4_000),
    "finish_recovery": Signature((("account", "Address"),), "None", 5_000),
    "recovery_due_ms": Signature((("account", "Address"),), "int", 500, writes=False),
    "sponsor": Signature((("account", "Address"),), "None", 2_500),
    "withdraw_sponsor": Signature((("account", "Address"),), "None", 2_500),
    "is_sponsored": Signature((("account", "Address"),), "bool", 500, writes=False),
    "tariff": Signature((), "tuple[str, int, int, int]", 500, writes=False),
    "move_motion": Signature(
        (("subject", "str"), ("texts", "list[str]"), ("numbers", "list[int]"), ("expires_ms", "int")),
        "str", 12_000),
    "vote": Signature((("motion", "str"), ("agrees", "bool")), "str", 12_000),
    "motion_info": Signature(
        (("motion", "str"),), "tuple[str, list[str], list[int], str, int, str, list[tuple[str, bool]], int]",
        1_500, writes=False),
    "open_motions": Signature((), "list[str]", 1_000, writes=False),
    "propose": Signature((("account", "Address"), ("calls", "bytes"), ("expires_ms", "int")), "str", 8_000),
    "approve": Signature((("proposal", "str"),), "bool", 8_000),
    "withdraw_proposal": Signature((("proposal", "str"),), "None", 6_000),
    "proposal_info": Signature(
        (("proposal", "str"),), "tuple[Address, bytes, int, str, list[bytes], int, int]", 1_500, writes=False),
    "open_proposals": Signature((("account", "Address"),), "list[str]", 1_000, writes=False),
    "create_money": Signature(
        (("currency", "str"), ("kind", "str"), ("issuer", "str")), "Asset", 6_000),
    "create_asset": Signature(
        (("code", "str"), ("kind", "str"), ("issuer", "str"), ("currency", "str"), ("decimals", "int"),
         ("authorised", "Amount"), ("document", "bytes"), ("level_min", "int")),
        "Asset", 7_500),
    "authorise_supply": Signature((("asset", "Asset"), ("amount", "Amount")), "None", 4_000),
    "require_attestation": Signature(
        (("asset", "Asset"), ("attestor", "Address"), ("age_ms_max", "int")), "None", 4_000),
    "attest_reserve": Signature((("asset", "Asset"), ("amount", "Amount"), ("document", "bytes")), "None", 4_000),
    "revise_asset": Signature((("asset", "Asset"), ("document", "bytes")), "int", 4_000),
    "asset_terms": Signature((("asset", "Asset"),), "tuple[int, bytes, Amount, Amount, int]", 1_000, writes=False),
    "allow_supply": Signature((("asset", "Asset"), ("contract", "str")), "None", 2_000),
    "disallow_supply": Signature((("asset", "Asset"), ("contract", "str")), "None", 2_000),
    "asset_info": Signature((("asset", "Asset"),), "tuple[str, str, str, int]", 500, writes=False),
    "bank_money": Signature((("bank", "str"), ("currency", "str")), "Asset", 500, writes=False),
    "settlement_money": Signature((("currency", "str"),), "Asset", 500, writes=False),
    "submit_identity": Signature((("account", "Address"), ("record", "str")), "None", 5_000),
    "request_information": Signature((("account", "Address"), ("reference", "str")), "None", 4_000),
    "verify_identity": Signature(
        (("account", "Address"), ("level", "int"), ("expires_ms", "int"), ("jurisdiction", "str"),
         ("risk_class", "str")),
        "None", 4_000),
    "suspend_identity": Signature((("account", "Address"), ("reference", "str")), "None", 5_000),
    "resume_identity": Signature((("account", "Address"), ("reference", "str")), "None", 5_000),
    "revoke_identity": Signature((("account", "Address"), ("reference", "str")), "None", 5_000),
    "identity_of": Signature((("account", "Address"),), "tuple[str, int, int, str, str]", 500, writes=False),
    "identity_record": Signature((("account", "Address"),), "str", 500, writes=False),
    "publish_reading_keys": Signature((("member", "str"), ("keys", "list[bytes]")), "int", 5_000),
    "reading_keys": Signature((("member", "str"),), "list[tuple[int, bytes]]", 1_000, writes=False),
    "reading_key_count": Signature((("member", "str"),), "int", 1_000, writes=False),
    "seal": Signature(
        (("kind", "str"), ("owner", "str"), ("subject", "str"), ("record", "bytes")), "str", 8_000),
    "add_reader": Signature(
        (("record", "str"), ("by", "str"), ("member", "str"), ("number", "int"), ("wrapped", "bytes")),
        "None", 10_000),
    "order_erasure": Signature((("record", "str"), ("reference", "str")), "None", 6_000),
    "attest_erasure": Signature((("record", "str"), ("member", "str")), "None", 8_000),
    "record_info": Signature((("record", "str"),), "tuple[str, str, str, str]", 500, writes=False),
    "record_readers": Signature((("record", "str"),), "list[str]", 500, writes=False),
    "mandated_readers": Signature((("owner", "str"),), "list[str]", 1_000, writes=False),
    "member_role": Signature((("bank", "str"),), "str", 500, writes=False),
    "member_account": Signature((("bank", "str"),), "Address", 500, writes=False),
    "member_of": Signature((("account", "Address"),), "str", 500, writes=False),
    "check_evidence": Signature((("evidence", "bytes"),), "tuple[str, int]", 60_000, writes=False),
    "day_of": Signature((("year", "int"), ("month", "int"), ("day", "int")), "int", 300, writes=False),
    "date_of": Signature((("day", "int"),), "tuple[int, int, int]", 300, writes=False),
    "add_months": Signature((("day", "int"), ("months", "int"), ("anchor", "int")), "int", 500, writes=False),
    "year_fraction": Signature(
        (("convention", "str"), ("start", "int"), ("end", "int")), "tuple[int, int]", 600, writes=False),
    "business_day": Signature(
        (("calendar", "str"), ("day", "int"), ("roll", "str")), "int", 3_000, writes=False),
    "schedule": Signature(
        (("method", "str"), ("argument", "str"), ("due_ms", "int"), ("fuel", "int"), ("retries", "int"),
         ("retry_ms", "int")),
        "int", 7_000),
    "cancel_schedule": Signature((("number", "int"),), "None", 6_000),
    "schedule_status": Signature((("number", "int"),), "str", 500, writes=False),
    "resume_schedule": Signature((("number", "int"),), "None", 7_000),
    "order_freeze": Signature(
        (("account", "Address"), ("asset", "Asset"), ("amount", "Amount"), ("stops", "list[str]"),
         ("reference", "str"), ("basis", "str"), ("expires_ms", "int")),
        "int", 14_000),
    "order_release": Signature((("order", "int"), ("reference", "str"), ("basis", "str")), "int", 14_000),
    "order_transfer": Signature(
        (("asset", "Asset"), ("source", "Address"), ("target", "Address"), ("amount", "Amount"),
         ("breaks", "list[str]"), ("reference", "str"), ("basis", "str"), ("expires_ms", "int")),
        "int", 18_000),
    "approve_order": Signature((("order", "int"),), "str", 10_000),
    "withdraw_order": Signature((("order", "int"),), "None", 4_000),
    "order_info": Signature(
        (("order", "int"),),
        "tuple[str, str, str, list[str], str, str, str, str, int, list[str], str, list[str], int, int, int]",
        1_000, writes=False),
    "orders_on": Signature(
        (("subject", "str"), ("first", "int"), ("limit", "int")), "list[int]", 500, writes=False),
    "freezes_on": Signature(
        (("subject", "str"),), "list[tuple[int, str, int, list[str], int]]", 1_000, writes=False),
    "set_limits": Signature(
        (("asset", "Asset"), ("risk_class", "str"), ("limits", "list[tuple[str, Amount]]")), "None", 6_000),
    "cap_limits": Signature(
        (("asset", "Asset"), ("risk_class", "str"), ("limits", "list[tuple[str, Amount]]")), "None", 6_000),
    "set_corridor": Signature(
        (("asset", "Asset"), ("origin", "str"), ("to", "str"), ("limits", "list[tuple[str, Amount]]")), "None", 6_000),
    "cap_corridor": Signature(
        (("asset", "Asset"), ("origin", "str"), ("to", "str"), ("limits", "list[tuple[str, Amount]]")), "None", 6_000),
    "set_jurisdictions": Signature(
        (("asset", "Asset"), ("only", "bool"), ("countries", "list[str]")), "None", 6_000),
    "refuse_jurisdictions": Signature((("countries", "list[str]"),), "None", 4_000),
    "limits_in_force": Signature(
        (("asset", "Asset"), ("risk_class", "str")), "list[tuple[str, Amount]]", 1_000, writes=False),
    "corridor_in_force": Signature(
        (("asset", "Asset"), ("origin", "str"), ("to", "str")), "list[tuple[str, Amount]]", 1_000, writes=False),
    "limits_left": Signature(
        (("asset", "Asset"), ("account", "Address")), "list[tuple[str, Amount]]", 2_500, writes=False),
}
"""name → signature. What writes pays about 1,500 units a state key: at a million keys the tree takes 15 µs for one."""


@fact
class CallContext:
    """What a contract sees as ``ctx``."""

    sender: str
    """The account whose policy authorised the call."""
    caller: str
    """Who called: the sender, or the contract that called this one."""
    contract: str
    """The address of the running contract."""
    height: int
    time_ms: int
    """The block's time; there is no other clock."""
    transaction_id: bytes


class Host(Protocol):
    """What the kernel implements for one call. May raise ContractError with codes of its own, and may charge
    the same meter; any other exception is our bug and passes through untouched."""

    @property
    def context(self) -> CallContext: ...

    def storage_get(self, field: str, key: StorageKey | None) -> Plain:
        """The stored value, or None where nothing is stored (stored values are never None). ``key`` is None
        for a ``Value``."""

    def storage_put(self, field: str, key: StorageKey | None, value: Plain) -> None: ...

    def storage_delete(self, field: str, key: StorageKey | None) -> None: ...

    def emit(self, name: str, fields: dict[str, Plain]) -> None: ...

    def ledger_call(self, function: str, args: tuple[Plain, ...]) -> Plain:
        """One row of LEDGER_FUNCTIONS, arguments complete, in order and of their declared types."""

    def call(self, contract: str, method: str, args: list[Plain]) -> Plain:
        """Runs another contract's method with the same meter; refuses re-entrance and too deep a nesting."""
