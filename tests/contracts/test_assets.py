"""Assets that are no money: terms, versions, authorised and attested supply; through the library's contract too."""

import pytest

from contracts.kernel import assets, ledger
from contracts.kernel.layout import HAS_TERMS
from state.codec import INT_MAX, Value
from tests.contracts.network import BLOCK_MS, GENESIS_MS, Chain, Desk, address_of, genesis_state
from tests.contracts.test_kernel import code_of

ANN, BOB, CID, ALPINE, BALTIC = map(address_of, ("ann", "bob", "cid", "alpine", "baltic"))
DOCUMENT, OTHER = b"\x01" * 32, b"\x02" * 32
BOND = "BOND27.alpine"


def issued(desk: Desk, authorised: int = 1_000) -> Desk:
    assets.create_asset(desk.scope("alpine"), "BOND27", "bond", "alpine", "USD", 2, authorised, DOCUMENT, 0)
    return desk


def minted(desk: Desk, amount: int, *signers: str) -> str:
    return code_of(lambda: ledger.mint(desk.scope(*(signers or ("alpine",))), BOND, ALPINE, amount, "issue", ""))


def test_an_asset_is_what_its_issuer_says(desk: Desk) -> None:
    scope = desk.scope("alpine")
    assert assets.create_asset(scope, "BOND27", "bond", "alpine", "USD", 3, 500, DOCUMENT, 2) == BOND
    assert assets.asset(scope, BOND) == ("alpine", "bond", "USD", 3, HAS_TERMS, 2)
    assert assets.terms(scope, BOND) == (1, DOCUMENT, 500, "", 0, 0, 0, b"")
    assert ledger.supply(scope, BOND) == 0
    assert [(event.name, dict(event.fields)) for event in scope.events] == [
        (
            "asset_created",
            {
                "contract": "",
                "asset": BOND,
                "kind": "bond",
                "issuer": "alpine",
                "authorised": 500,
                "document": DOCUMENT,
            },
        )
    ]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, "ok"),
        ({"signers": ("bob",)}, "account_unauthorised"),
        ({"issuer": "nobody"}, "unknown_member"),
        ({"issuer": "central", "signers": ("central",)}, "ok"),
        *[({"code": text}, "bad_code") for text in ("USD", "B", "bond", "A" * 17, "A.B", "A/B", "", "Ä1")],
        *[({"code": text}, "ok") for text in ("A1", "A" * 16, "2027")],
        *[({"kind": kind}, "ok") for kind in assets.KINDS],
        *[({"kind": kind}, "bad_kind") for kind in ("deposit", "settlement", "")],
        ({"currency": ""}, "ok"),
        ({"currency": "XXX"}, "unknown_currency"),
        *[({"decimals": number}, "ok") for number in (0, 18)],
        *[({"decimals": number}, "bad_terms") for number in (-1, 19)],
        *[({"level_min": number}, "ok") for number in (0, 255)],
        *[({"level_min": number}, "bad_terms") for number in (-1, 256)],
        *[({"authorised": number}, "ok") for number in (0, INT_MAX)],
        ({"document": b""}, "ok"),
        *[({"document": data}, "bad_document") for data in (b"\x01", b"\x01" * 31, b"\x01" * 33)],
    ],
)
def test_what_can_be_created(desk: Desk, changed: dict[str, object], code: str) -> None:
    chosen: dict[str, object] = {
        "signers": ("alpine",), "code": "BOND27", "kind": "bond", "issuer": "alpine", "currency": "USD",
        "decimals": 2, "authorised": 5, "document": DOCUMENT, "level_min": 0,
    } | changed  # fmt: skip
    signers = chosen.pop("signers")
    assert code_of(lambda: assets.create_asset(desk.scope(*signers), **chosen)) == code  # type: ignore[arg-type, misc]
    if code == "ok":
        again = code_of(lambda: assets.create_asset(desk.scope(*signers), **chosen))  # type: ignore[arg-type, misc]
        assert again == "asset_exists"


def test_no_more_is_minted_than_is_authorised(desk: Desk) -> None:
    issued(desk)
    assert minted(desk, 1_001) == "over_authorised"
    assert minted(desk, 600) == "ok"
    assert minted(desk, 401) == "over_authorised"
    assert minted(desk, 400) == "ok"

    def authorise(amount: int, *signers: str) -> str:
        return code_of(lambda: assets.authorise_supply(desk.scope(*signers), BOND, amount))

    assert authorise(2_000, "bob") == "supply_unauthorised"
    assert authorise(999, "alpine") == "bad_terms"
    assert authorise(-1, "alpine") == "amount_out_of_range"
    assert authorise(1_001, "alpine") == "ok"
    assert [minted(desk, 2), minted(desk, 1), minted(desk, 1)] == ["over_authorised", "ok", "over_authorised"]
    ledger.burn(desk.scope("alpine"), BOND, ALPINE, 1_001, "cancel", "")
    assert authorise(0, "alpine") == "ok"
    assert minted(desk, 1) == "over_authorised"


def test_a_mint_within_a_journal_counts_what_is_burnt_beside_it(desk: Desk) -> None:
    issued(desk)
    assert minted(desk, 1_000) == "ok"
    renewed = [(BOND, ALPINE, -300), (BOND, "supply", 300), (BOND, "supply", -300), (BOND, BOB, 300)]
    assert code_of(lambda: ledger.journal(desk.scope("alpine"), renewed, "renewal")) == "ok"
    more = [(BOND, ALPINE, -300), (BOND, "supply", 300), (BOND, "supply", -301), (BOND, BOB, 301)]
    assert code_of(lambda: ledger.journal(desk.scope("alpine"), more, "renewal")) == "over_authorised"


def test_no_more_is_minted_than_is_attested_and_nothing_on_a_stale_word(desk: Desk) -> None:
    issued(desk)

    def attest(amount: int, *signers: str, document: bytes = OTHER) -> str:
        return code_of(lambda: assets.attest_reserve(desk.scope(*signers), BOND, amount, document))

    assert attest(5, "bob") == "account_unauthorised"
    assets.require_attestation(desk.scope("alpine"), BOND, BOB, 10_000)
    assert minted(desk, 1) == "attestation_stale"
    assert attest(500, "alpine") == "account_unauthorised"
    assert attest(500, "bob", document=b"short") == "bad_document"
    assert attest(-1, "bob") == "amount_out_of_range"
    assert attest(500, "bob") == "ok"
    assert assets.terms(desk.scope(), BOND) == (1, DOCUMENT, 1_000, BOB, 10_000, 500, GENESIS_MS, OTHER)
    assert [minted(desk, 501), minted(desk, 400), minted(desk, 101)] == ["over_attested", "ok", "over_attested"]
    desk.time_ms += 10_000
    assert minted(desk, 50) == "ok"
    desk.time_ms += 1
    assert minted(desk, 50) == "attestation_stale"
    assert code_of(lambda: ledger.burn(desk.scope("alpine"), BOND, ALPINE, 450, "cancel", "")) == "ok"
    assert attest(100, "bob") == "ok"
    assert [minted(desk, 101), minted(desk, 100)] == ["over_attested", "ok"]
    # A reserve that has shrunk below what is out takes nothing away, but nothing more is minted.
    assert attest(10, "bob") == "ok"
    assert minted(desk, 1) == "over_attested"


def test_an_attestor_is_not_dropped_without_its_word(desk: Desk) -> None:
    issued(desk)

    def require(attestor: str, age_ms_max: int, *signers: str) -> str:
        return code_of(lambda: assets.require_attestation(desk.scope(*signers), BOND, attestor, age_ms_max))

    assert require(BOB, 5, "bob") == "supply_unauthorised"
    assert require(address_of("nobody"), 5, "alpine") == "unknown_account"
    assert require(ALPINE, 5, "alpine") == "bad_terms"
    for attestor, age_ms_max in ((BOB, 0), (BOB, -1), (BOB, INT_MAX + 1), ("", 1)):
        assert require(attestor, age_ms_max, "alpine") == "bad_terms"
    assert require(BOB, 5, "alpine") == "ok"
    assert require("", 0, "alpine") == "account_unauthorised"
    assert require(CID, 5, "alpine", "cid") == "account_unauthorised"
    assert require(CID, 5, "alpine", "bob") == "ok"
    assert require("", 0, "alpine", "cid") == "ok"
    assert minted(desk, 1_000) == "ok"


def test_money_has_no_terms_until_they_are_set(desk: Desk) -> None:
    scope = desk.scope("alpine")
    assert assets.terms(scope, "USD.alpine") == assets.NO_TERMS
    ledger.mint(scope, "USD.alpine", ANN, 700, "deposit", "")
    assets.authorise_supply(scope, "USD.alpine", 1_000)
    assert assets.asset(scope, "USD.alpine")[4] == HAS_TERMS
    assert code_of(lambda: ledger.mint(scope, "USD.alpine", ANN, 301, "deposit", "")) == "over_authorised"
    assert code_of(lambda: ledger.mint(scope, "USD.alpine", ANN, 300, "deposit", "")) == "ok"


def test_each_document_has_its_version(desk: Desk) -> None:
    issued(desk)
    assert code_of(lambda: assets.revise_asset(desk.scope("bob"), BOND, OTHER)) == "supply_unauthorised"
    assert code_of(lambda: assets.revise_asset(desk.scope("alpine"), BOND, b"x")) == "bad_document"
    assert [assets.revise_asset(desk.scope("alpine"), BOND, document) for document in (OTHER, DOCUMENT)] == [2, 3]
    assert assets.terms(desk.scope(), BOND)[:3] == (3, DOCUMENT, 1_000)
    assert code_of(lambda: assets.revise_asset(desk.scope("alpine"), "BOND28.alpine", OTHER)) == "unknown_asset"


def test_a_life_through_the_contract() -> None:
    chain = Chain.start(genesis_state()).furnish()

    def send(sender: str, method: str, *arguments: Value, signers: tuple[str, ...] = ()) -> str:
        return chain.send(sender, ("assets", method, [*arguments]), signers=signers or (sender,))

    made: tuple[Value, ...] = ("BOND27", "bond", "USD", 0, 100, DOCUMENT, 0)
    assert send("ann", "create", *made) == "not_a_member"
    assert send("alpine", "create", *made) == "ok"
    assert send("alpine", "mint", BOND, [], "") == "bad_batch"
    assert send("ann", "mint", BOND, [[ANN, 1]], "") == "not_the_issuer"
    assert send("alpine", "mint", BOND, [[ANN, 60], [CID, 40]], "issue 1") == "ok"
    assert send("alpine", "mint", BOND, [[ANN, 1]], "") == "over_authorised"
    assert send("alpine", "authorise", BOND, 200) == "ok"
    assert send("alpine", "require_attestation", BOND, BALTIC, 5 * BLOCK_MS) == "ok"
    assert send("alpine", "mint", BOND, [[ANN, 1]], "") == "attestation_stale"
    assert send("baltic", "attest", BOND, 150, OTHER) == "ok"
    assert send("alpine", "mint", BOND, [[ANN, 50]], "issue 2") == "ok"
    assert send("alpine", "mint", BOND, [[ANN, 1]], "") == "over_attested"
    assert send("ann", "transfer", BOND, BOB, 10, "gift") == "ok"
    assert send("bob", "redeem", BOND, 4, "") == "ok"
    assert send("alpine", "burn", BOND, [[ALPINE, 4]], "") == "ok"
    assert send("alpine", "burn", BOND, [[BOB, 6]], "") == "debit_unauthorised"
    assert send("alpine", "burn", BOND, [[BOB, 6]], "", signers=("alpine", "bob")) == "ok"
    assert send("alpine", "revise", BOND, OTHER) == "ok"
    assert send("bob", "allow", BOND, "assets") == "supply_unauthorised"
    assert send("alpine", "allow", BOND, "assets") == "ok"
    assert send("alpine", "disallow", BOND, "assets") == "ok"
    ask = chain.reads.query
    assert ask("assets", "describe", [BOND]).value == ["alpine", "bond", "USD", 0]
    attested_ms = GENESIS_MS + (2 + 10) * BLOCK_MS
    assert ask("assets", "terms", [BOND]).value == [2, OTHER, 200, 150, attested_ms]
    assert ask("assets", "supply", [BOND]).value == 140
    assert [chain.balance(name, BOND) for name in ("ann", "bob", "cid")] == [100, 0, 40]
    assert ask("assets", "balance", [BOND, ANN]).value == 100
    page = chain.reads.statement(ANN, BOND, 0, INT_MAX - 1)
    assert [(entry.change, entry.purpose, entry.reference, entry.contract) for entry in page.movements] == [
        (60, "issue", "issue 1", "assets"),
        (50, "issue", "issue 2", "assets"),
        (-10, "transfer", "gift", "assets"),
    ]
