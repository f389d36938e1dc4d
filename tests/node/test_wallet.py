"""A wallet's accounts: what is kept, what is refused, and amounts and arguments as people write them."""

import json
from pathlib import Path

import pytest

from contracts.library import read_library
from genesis.member import Function
from node import testnet, wallet
from node.home import Home
from node.keystore import Cost, Passphrase
from state.address import account_address
from state.errors import Invalid, Reason
from state.policy import Policy


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def refusal(call: object, *arguments: object) -> tuple[Reason, str]:
    with pytest.raises(Invalid) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.reason, caught.value.detail


def test_an_account_is_found_again(home: Home) -> None:
    made = wallet.create(home, "alice", "hansat", None)
    assert wallet.find(home, "alice") == made
    assert wallet.accounts(home) == [made]
    assert made.address == account_address("hansat", Policy.of_key(made.public_key).encode(), made.salt)
    assert made.open(None).public == made.public_key
    seed = json.loads(made.key_file.read_text())["seed"]
    assert seed not in (home.path / "wallets" / "alice.json").read_text()


def test_a_sealed_account(home: Home) -> None:
    made = wallet.create(home, "alice", "hansa", Passphrase(b"correct horse"), Cost(1, 8192))
    assert made.open(Passphrase(b"correct horse")).public == made.public_key
    assert refusal(made.open, Passphrase(b"wrong"))[0] is Reason.BAD_KEY_FILE
    assert refusal(made.open, None)[0] is Reason.BAD_KEY_FILE


def test_what_is_no_account(home: Home) -> None:
    wallet.create(home, "alice", "hansa", None)
    assert refusal(wallet.create, home, "alice", "hansa", None)[0] is Reason.DUPLICATE
    assert refusal(wallet.create, home, "../x", "hansa", None)[0] is Reason.MALFORMED
    assert refusal(wallet.create, home, "member", "hansa", None) == (
        Reason.MALFORMED,
        "member is the name of a member's own account: choose another",
    )
    sentence = f"there is no account 'bob' in {home.path}: hansa wallet new bob"
    assert refusal(wallet.find, home, "bob") == (Reason.UNKNOWN, sentence)
    assert refusal(wallet.find, home, "member")[0] is Reason.UNKNOWN


@pytest.mark.parametrize("field", ["format", "address", "address_prefix", "public_key", "salt"])
def test_a_file_that_was_changed(home: Home, field: str) -> None:
    wallet.create(home, "alice", "hansa", None)
    path = home.path / "wallets" / "alice.json"
    document = json.loads(path.read_text())
    for value in (None, 7, "0x00", "hansat"):
        path.write_text(json.dumps(document | {field: value}))
        assert refusal(wallet.find, home, "alice") == (
            Reason.MALFORMED,
            f"{path} is damaged: restore it from your backup",
        )


def test_a_key_of_another_account(home: Home) -> None:
    alice, bob = (wallet.create(home, name, "hansa", None) for name in ("alice", "bob"))
    alice.key_file.unlink()
    bob.key_file.rename(alice.key_file)
    assert refusal(alice.open, None)[0] is Reason.CONFLICT


def test_a_members_own_account(tmp_path: Path) -> None:
    seats = testnet.seats(1, 1, 20_000)
    genesis = testnet.make(tmp_path, seats, name="trial")
    for seat in seats:
        member = genesis.member(seat.details.id)
        assert member is not None
        home = Home(tmp_path / member.id)
        own = wallet.find(home, wallet.MEMBER)
        assert own.address == genesis.account_address(member)
        assert own.address.startswith("hansat1")
        assert own.open(None).public == own.public_key
        assert [account.name for account in wallet.accounts(home)] == ["member"]
    assert [seat.details.function for seat in seats] == [Function.BANK, Function.SETTLEMENT_AGENT]


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("147.8", "USD", 14780),
        ("104.06", "USD", 10406),
        ("7", "USD", 700),
        ("7", "JPY", 7),
        ("1.234", "KWD", 1234),
        ("92233720368547758.07", "USD", 2**63 - 1),
    ],
)
def test_amounts(text: str, currency: str, minor: int) -> None:
    assert wallet.parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "sentence"),
    [
        ("1.005", "USD", "'1.005' is no amount of USD: write it as 12.34"),
        ("1.5", "JPY", "'1.5' is no amount of JPY: write it as 1,234"),
        ("-1", "USD", "'-1' is no amount of USD: write it as 12.34"),
        ("1e3", "USD", "'1e3' is no amount of USD: write it as 12.34"),
        ("٣", "USD", "'٣' is no amount of USD: write it as 12.34"),
        ("0", "USD", "an amount lies above 0 and is at most 92,233,720,368,547,758.07"),
        ("92233720368547758.08", "USD", "an amount lies above 0 and is at most 92,233,720,368,547,758.07"),
        ("1", "usd", "'usd' is no currency of ISO 4217, such as USD"),
    ],
)
def test_what_is_no_amount(text: str, currency: str, sentence: str) -> None:
    assert refusal(wallet.parse_amount, text, currency) == (Reason.MALFORMED, sentence)


def test_amounts_are_shown_with_their_asset() -> None:
    assert wallet.show_amount(125_000, "USD.alpina") == "1,250.00 USD.alpina"
    assert wallet.show_amount(5, "JPY.alpina") == "5 JPY.alpina"


def test_arguments_as_the_contract_has_them() -> None:
    source = read_library()["bank_money"]
    assert wallet.arguments_of(source, "mint", '["USD", [["hansa1x", "12"]], "cash"]') == [
        *("USD", [["hansa1x", 12]], "cash")
    ]
    assert refusal(wallet.arguments_of, source, "nothing", "[]")[0] is Reason.UNKNOWN
    assert refusal(wallet.arguments_of, source, "create", "{")[1].endswith("create(currency: str)")
    assert refusal(wallet.arguments_of, source, "create", "[7]") == (
        Reason.MALFORMED,
        "the arguments do not fit create(currency: str): str expected",
    )
