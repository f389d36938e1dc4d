"""``hansa account`` and ``hansa gov`` on a network of real processes."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node import devnet, wallet
from node.cli import main
from node.home import Home
from state.errors import Invalid, Reason

Hansa = Callable[..., Any]


def test_accounts_and_votes_from_the_command_line(
    directory: Path, hansa: Hansa, capsys: pytest.CaptureFixture[str]
) -> None:
    base_port = devnet.free_base_port(random.randrange(24_000, 28_000, 10), 3)
    size = ("--validators", "1", "--observers", "2")
    hansa("devnet", "up", "--dir", str(directory), *size, "--base-port", str(base_port))
    url = ("--url", hansa("devnet", "status", "--dir", str(directory))["nodes"][0]["url"])
    alpina = ("--home", str(directory / "alpina"), *url)
    home = ("--home", str(directory / "customers"), *url)
    people = {name: hansa("wallet", "new", name, "--prefix", "hansat", *home) for name in ("ana", "ben", "firm")}
    batch = json.dumps([[[entry["public_key"], entry["salt"]] for entry in people.values()]])
    hansa("wallet", "call", "accounts", "register", batch, *alpina)
    hansa("wallet", "call", "bank_money", "create", '["USD"]', *alpina)
    deposits = [[people[name]["address"], "10000"] for name in people]
    hansa("wallet", "call", "bank_money", "mint", json.dumps(["USD", deposits, "opening"]), *alpina)
    firm, ana = people["firm"]["address"], people["ana"]["address"]

    # Maker and checker.
    keys = [option for name in ("ana", "ben") for option in ("--key", people[name]["public_key"])]
    hansa("account", "rotate", *keys, "--threshold", "2", "--from", "firm", *home)
    pay = json.dumps([ana, "USD", "2500", "fees"])
    sent = hansa("account", "propose", firm, "payments", "pay", pay, "--from", "ana", *home)
    proposal = json.loads(json.dumps(sent["results"]))[0].strip('"')
    shown = hansa("account", "show", proposal, *home)
    assert shown == {
        "proposal": proposal,
        "account": firm,
        "status": "open",
        "calls": [{"contract": "payments", "method": "pay", "arguments": [ana, "USD", "2500", "fees"]}],
        "expires_ms": shown["expires_ms"],
        "approved_by": [people["ana"]["public_key"]],
        "weight": "1",
        "threshold": "2",
    }
    assert hansa("account", "show", "firm", *home)["proposals"] == [proposal]
    assert hansa("account", "approve", proposal, "--from", "ana", *home, code=1)["error"]["code"] == "already_approved"
    hansa("account", "approve", proposal, "--from", "ben", *home)
    assert hansa("account", "show", proposal, *home)["status"] == "executed"
    assert hansa("wallet", "show", firm, *home)["balances"][0]["amount"] == "7500"
    other = hansa("account", "propose", firm, "payments", "pay", pay, "--from", "ana", *home)["results"][0].strip('"')
    hansa("account", "withdraw", other, "--from", "ana", *home)
    assert hansa("account", "show", other, *home)["status"] == "withdrawn"

    # A new key of this home, at the same address; twice, as if the first had been interrupted.
    hansa("account", "rotate", "--from", "ana", *home)
    new = wallet.find(Home(directory / "customers"), "ana")
    assert (new.address, hex_of(new.public_key) != people["ana"]["public_key"]) == (ana, True)
    assert hansa("account", "show", "ana", *home)["keys"] == [{"key": hex_of(new.public_key), "weight": 1}]
    hansa("wallet", "send", people["ben"]["address"], "1.00", "USD", "--from", "ana", *home)

    # Recovery by the bank, to a key made for the account, and the owner's objection.
    fresh = hansa("wallet", "new", "ben2", "--for", people["ben"]["address"], *home)
    ben = people["ben"]["address"]
    assert fresh["address"] == ben
    recover = ("account", "recover", ben)
    assert hansa(*recover, "--key", fresh["public_key"], "--from", "ana", *home, code=1)["error"]["code"] == (
        "recovery_unauthorised"
    )
    hansa(*recover, "--key", fresh["public_key"], *alpina)
    assert hansa("account", "show", ben, *home)["recovery_due_ms"].isdigit()
    assert hansa(*recover, "--finish", "--from", "ana", *home, code=1)["error"]["code"] == "recovery_not_due"
    hansa(*recover, "--cancel", "--from", "ben", *home)
    assert hansa("account", "show", ben, *home)["recovery_due_ms"] is None
    assert main([*recover, "--cancel", "--finish", "--key", "0x00"]) == 2
    assert hansa(*recover, "--key", "0x00", *alpina, code=1)["error"]["code"] == "malformed"

    # One member votes: what it moves is decided at once, and the wallet tells the fee before it signs.
    motion = hansa("gov", "propose", "fee", "USD", "5", "1000000", *alpina)["results"][0].strip('"')
    assert hansa("gov", "show", motion, *alpina)["status"] == "passed"
    assert hansa("gov", "vote", motion, "yes", *alpina, code=1)["error"]["code"] == "motion_closed"
    assert hansa("gov", "propose", "quota", "x", *alpina, code=1)["error"]["code"] == "malformed"
    assert hansa("gov", "propose", "fee", "USD", *alpina, code=1)["error"]["message"] == (
        "fee takes CURRENCY BASE PER_MILLION"
    )
    told = hansa("gov", "show", *alpina)
    assert told == {
        "fee": {"currency": "USD", "base": "5", "per_million": "1000000"},
        "quota": "0",
        "protocol": {
            "version": 1,
            "next_version": None,
            "next_height": None,
            "software": [{"member": "alpina", "version": "0.1.0", "protocol_known": 1}],
        },
        "motions": [],
    }
    quota = str(10**9)
    hansa("gov", "propose", "quota", quota, *alpina)
    assert hansa("gov", "show", *alpina)["quota"] == quota
    capsys.readouterr()
    hansa("gov", "propose", "fee", "USD", "5", "1000", *alpina)
    assert main(["wallet", "send", ben, "1.00", "USD", "--from", "ana", *home]) == 0
    assert capsys.readouterr().err.startswith("fee  0.14 USD.alpina, at most 0.26 USD.alpina, paid by ")
    assert 12_200 < int(hansa("wallet", "show", ana, *home)["balances"][0]["amount"]) < 12_300
    assert main(["gov", "show", *alpina]) == 0
    assert capsys.readouterr().out.startswith("fee       5 and 1000 a million units of fuel, USD\nquota     ")


def hex_of(data: bytes) -> str:
    return "0x" + data.hex()


def test_a_rotation_that_was_interrupted_goes_on_with_the_same_key(tmp_path: Path) -> None:
    home = Home(tmp_path)
    old = wallet.create(home, "ana", "hansat", None)
    first = wallet.start_rotation(home, old, None)
    assert wallet.start_rotation(home, old, None) == first
    assert (first.address, first.public_key != old.public_key) == (old.address, True)
    assert wallet.find(home, "ana") == old
    assert wallet.accounts(home) == [old]
    # Ended between the renaming of the key and of the public file.
    old.key_file.replace(tmp_path / "wallets" / "ana.key.retired")
    first.key_file.replace(old.key_file)
    assert wallet.start_rotation(home, old, None).public_key == first.public_key
    wallet.finish_rotation(home, old)
    found = wallet.find(home, "ana")
    assert (found.address, found.public_key) == (old.address, first.public_key)
    assert found.open(None).public == first.public_key
    again = wallet.start_rotation(home, found, None)
    wallet.finish_rotation(home, found)
    found = wallet.find(home, "ana")
    assert (found.address, found.open(None).public) == (old.address, again.public_key)
    assert sorted(path.name for path in (tmp_path / "wallets").iterdir()) == ["ana.json", "ana.key", "ana.key.retired"]


def test_a_key_is_for_an_account_of_its_network(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ana = wallet.create(home, "ana", "hansat", None)
    with pytest.raises(Invalid) as refusal:
        wallet.create(home, "other", "hansa", None, speaks_for=ana.address)
    assert refusal.value.reason is Reason.BAD_ADDRESS
    assert wallet.create(home, "second", "hansat", None, speaks_for=ana.address).address == ana.address
    assert wallet.find(home, "second").address == ana.address
    damaged = tmp_path / "wallets" / "second.json"
    damaged.write_text(damaged.read_text().replace(ana.address, "nowhere"))
    with pytest.raises(Invalid) as refusal:
        wallet.find(home, "second")
    assert refusal.value.reason is Reason.MALFORMED
