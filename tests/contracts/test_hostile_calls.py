"""Nothing that a contract asks of the kernel can raise out of the executor, whatever it asks and wherever fuel ends."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.language.kernel_interface import LEDGER_FUNCTIONS
from state.codec import INT_MAX, Value
from state.overlay import Overlay
from state.transaction import Call, encode_calls, sign
from tests.contracts.network import Chain, address_of, genesis_state, key_of
from tests.contracts.sources import ESCROW


def every_function() -> str:
    """A contract with one action for each function of the ledger, which passes on what it is given."""
    lines = ['"""Asks the ledger."""', "", "from hansa import Address, Amount, Asset, action, ledger, query", ""]
    for name, signature in LEDGER_FUNCTIONS.items():
        parameters = ", ".join(f"the_{parameter}: {kind}" for parameter, kind in signature.parameters)
        names = ", ".join(f"the_{parameter}" for parameter, _ in signature.parameters)
        marker = "action" if signature.writes else "query"
        answer = "" if signature.returns == "None" else "return "
        lines += [f"@{marker}", f"def do_{name}({parameters}) -> {signature.returns}:"]
        lines += [f"    {answer}ledger.{name}({names})", ""]
    return "\n".join(lines)


GENESIS = genesis_state([("anything", every_function()), ("escrow", ESCROW)])

texts = st.one_of(
    st.sampled_from(("", "supply", "payments", "anything", "alpine", "USD", "deposit", "settlement", "a/b", "x" * 140)),
    st.sampled_from(("USD.alpine", "USD.baltic", "USD.central", "USD.alpine/0", "/", "é", "\x00", "y" * 5_000)),
    st.sampled_from(("ann", "bob", "cid", "alpine", "central", "nobody")).map(address_of),
    st.sampled_from(("ann", "bob")).map(lambda name: address_of(name) + "/0"),
)
identifiers = texts.filter(lambda text: 0 < len(text) <= 128)
integers = st.sampled_from((-(2**63), -1, 0, 1, 2, 9_999, 10_000, INT_MAX, 2**63, 2**64 - 1, 1_700_000_010_000))
wide = st.sampled_from((2**64, 2**126, -(2**200), 2**255)).map(lambda number: number.to_bytes(33, "big", signed=True))
blobs = st.sampled_from((b"", b"s" * 16, b"k" * 32, b"k" * 31, key_of("ann").public))
ATOMS: dict[str, st.SearchStrategy[Value]] = {
    "str": texts,
    "Address": identifiers,
    "Asset": identifiers,
    "Amount": integers,
    "int": st.one_of(integers, wide),
    "bytes": blobs,
    "bool": st.booleans(),
}


def anything(kind: str) -> st.SearchStrategy[Value]:
    """Whatever is of that type."""
    name, _, inside = kind.partition("[")
    if name == "list":
        return st.lists(anything(inside[:-1]), max_size=4)
    if name == "tuple":
        return st.tuples(*[anything(part) for part in inside[:-1].split(", ")]).map(list)
    return ATOMS[kind]


VALUES = {kind: anything(kind) for signature in LEDGER_FUNCTIONS.values() for _, kind in signature.parameters}


people = st.sampled_from(("ann", "ann", "bob", "cid", "alpine", "central")).map(address_of)
assets = st.sampled_from(("USD.alpine", "USD.alpine", "USD.baltic", "USD.central"))
members = st.sampled_from(("alpine", "alpine", "baltic", "central"))
small = st.sampled_from((1, 2, 300, 9_999))
PLAUSIBLE: dict[str, st.SearchStrategy[Value]] = {
    **dict.fromkeys(("account", "source", "target", "beneficiary"), people),
    **dict.fromkeys(("bank", "issuer"), members),
    **dict.fromkeys(("purpose", "reference"), st.just("why")),
    "asset": assets,
    "amount": small,
    "contract": st.sampled_from(("payments", "anything")),
    "currency": st.sampled_from(("USD", "EUR", "JPY")),
    "kind": st.sampled_from(("deposit", "settlement")),
    "expires_ms": st.sampled_from((0, 1_700_000_010_000, 1_700_003_000_000)),
    "threshold": st.just(1),
    "salt": st.just(b"t" * 16),
    "calls": st.just(encode_calls([Call("payments", 1, "pay", [address_of("bob"), "USD", 1, ""])])),
    "subject": st.sampled_from(("fee", "quota", "resume")),
    "texts": st.sampled_from((["USD"], ["payments"], [])),
    "numbers": st.sampled_from(([1, 100], [0], [])),
    "keys": st.just([[b"k" * 32, 1]]),
    "legs": st.tuples(assets, people, people, small).map(
        lambda leg: [[leg[0], leg[1], -leg[3]], [leg[0], leg[2], leg[3]]]
    ),
}
"""What makes sense for a parameter of that name. One argument in six is anything of its type instead."""


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, str, list[Value]]:
    name = draw(st.sampled_from(sorted(LEDGER_FUNCTIONS)))
    arguments = []
    for parameter, kind in LEDGER_FUNCTIONS[name].parameters:
        plausible = PLAUSIBLE.get(parameter, VALUES[kind])
        arguments.append(draw(plausible if draw(st.integers(0, 5)) else VALUES[kind]))
    return ("anything", f"do_{name}", arguments)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.lists(questions(), min_size=1, max_size=2), min_size=1, max_size=8), st.booleans())
def test_every_answer_is_a_receipt(programs: list[list[tuple[str, str, list[Value]]]], banks_sign: bool) -> None:
    chain = Chain.start(GENESIS).furnish()
    signers = ["ann", "bob", *(["alpine", "central"] if banks_sign else [])]
    sender = "alpine" if banks_sign else "ann"
    transactions = [chain.transaction(sender, *program, signers=signers) for program in programs]
    for receipt in chain.block(*transactions).receipts:
        assert receipt.is_ok or receipt.message, receipt
    assert all(audit.is_sound for audit in chain.reads.audit())


def test_wherever_fuel_ends_nothing_is_left() -> None:
    chain = Chain.start(GENESIS).furnish()
    hold: list[Value] = ["USD.alpine", address_of("bob"), 100, chain.time_ms + 60_000]
    body = chain.body(
        "ann",
        ("payments", "pay", [address_of("cid"), "USD", 5, ""]),
        ("escrow", "hold", hold),
        ("accounts", "grant", ["payments"]),
    )
    body = sign(body, [key_of("ann")]).body
    whole = chain.reads.simulate(body).receipt
    assert whole.code == "ok"
    executor = chain.executor
    for limit in range(0, whole.fuel_used, 53):
        overlay: Overlay[tuple[object, ...]] = executor.overlay()  # type: ignore[assignment]
        limited = type(body)(**{field: getattr(body, field) for field in body.__slots__} | {"fuel_limit": limit})
        outcome = executor.judge(overlay, limited, b"i" * 32, 500, 9, chain.time_ms)  # type: ignore[arg-type]
        assert (outcome.receipt.code, outcome.receipt.fuel_used) == ("out_of_fuel", limit)
        assert overlay.changes() == {}
