"""``hansa identity`` on a network of real processes: the whole life of a registration, and no name in any file."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node import devnet
from rpc.text import bytes_of
from state.sealed import Record

Hansa = Callable[..., Any]
CANARIES = ("Canarywharf", "Zebulon Quux")


def test_a_registration_from_its_first_to_its_last_day(directory: Path, tmp_path: Path, hansa: Hansa) -> None:
    base_port = devnet.free_base_port(random.randrange(20_000, 24_000, 10), 3)
    size = ("--validators", "1", "--observers", "2")
    hansa("devnet", "up", "--dir", str(directory), *size, "--base-port", str(base_port))
    url = ("--url", hansa("devnet", "status", "--dir", str(directory))["nodes"][0]["url"])
    homes = {name: ("--home", str(directory / name)) for name in ("alpina", "meridian", "watch01", "customers")}
    alpina, watch = (*homes["alpina"], *url), (*homes["watch01"], *url)

    for member in ("alpina", "watch01"):
        assert hansa("identity", "publish-keys", "--count", "4", *homes[member], *url)["results"] == ["0"]
    ana = hansa("wallet", "new", "ana", "--prefix", "hansat", *homes["customers"])
    hansa("wallet", "call", "accounts", "register", f'[[["{ana["public_key"]}", "{ana["salt"]}"]]]', *alpina)
    file = tmp_path / "person.json"
    attributes = {"family_name": CANARIES[0], "given_names": CANARIES[1], "photo_digest": {"bytes": "0x" + "07" * 32}}
    file.write_text(json.dumps(attributes))
    account = ana["address"]
    assert hansa("identity", "status", account, *alpina) == {"account": account, "status": None}
    (record,) = hansa("identity", "register", account, str(file), *alpina)["results"]
    day = ("--until", "2035-12-31", "--jurisdiction", "CH", "--risk-class", "low")
    hansa("identity", "verify", account, "--level", "2", *day, *alpina)

    # Its own node serves the regulator, and is not believed: the answer is proven.
    told = hansa("identity", "status", account, *homes["watch01"])
    assert (told["status"], told["by"], told["level"], told["proven"]) == ("verified", "alpina", 2, True)
    assert (told["record"]["id"], told["record"]["readers"]) == (record, ["alpina", "watch01"])
    for home in (homes["alpina"], homes["watch01"]):
        opened = hansa("identity", "open", account, *home)
        assert (opened["attributes"], opened["proven"]) == (attributes, True)
    assert hansa("identity", "open", account, *homes["meridian"], code=1)["error"]["code"] == "unknown"
    assert hansa("identity", "audit", *homes["watch01"]) == {"tried": 1, "unreadable": []}

    shown = tmp_path / "shown.json"
    shown.write_text(json.dumps(hansa("identity", "disclose", account, "given_names", *alpina)))
    assert CANARIES[0] not in shown.read_text()
    checked = hansa("identity", "check", str(shown), *homes["meridian"])
    assert (checked["name"], checked["value"], checked["proven"]) == ("given_names", CANARIES[1], True)
    assert not hansa("identity", "check", str(shown), *homes["customers"], *url)["proven"]
    shown.write_text(shown.read_text().replace("Quux", "Quuz"))
    assert hansa("identity", "check", str(shown), *homes["meridian"], code=1)["error"]["code"] == "bad_seal"

    sealed = Record.decode(
        bytes_of(hansa("identity", "seal", "travel_rule", "r1", str(file), "--reader", "alpina", *alpina)["record"])
    )
    assert [wrap.member for wrap in sealed.wraps] == ["alpina", "watch01"]
    hansa("identity", "suspend", account, "case 9", *watch)
    refused = hansa("identity", "resume", account, "", *alpina, code=1)
    assert refused["error"]["code"] == "identity_unauthorised"
    hansa("identity", "resume", account, "", *watch)
    hansa("identity", "publish-keys", "--count", "1", *homes["meridian"], *url)
    hansa("identity", "add-reader", account, "meridian", *watch)
    assert hansa("identity", "open", record, *homes["meridian"])["attributes"] == attributes

    assert hansa("identity", "erase", account, "GDPR 17", *alpina, code=1)["error"]["code"] == "record_in_use"
    hansa("identity", "revoke", account, "left", *alpina)
    hansa("identity", "erase", account, "GDPR 17", *alpina)
    for member in ("alpina", "watch01", "meridian"):
        hansa("identity", "attest-erasure", account, *homes[member], *url)
    erased = hansa("identity", "status", account, *alpina)["record"]
    assert (erased["status"], erased["erasure"]["attested"]) == ("erased", ["alpina", "watch01", "meridian"])
    assert hansa("identity", "open", account, *alpina, code=1)["error"]["code"] == "unknown"

    hansa("devnet", "down", "--dir", str(directory))
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert {"node.log", "genesis.json", "reading.key"} <= {path.name for path in files}
    content = b"\n".join(path.read_bytes() for path in files).lower()
    assert b"family_name" in content, "names of attributes are public, and this is where they would be found"
    for canary in CANARIES:
        assert canary.lower().encode() not in content
        assert canary.encode().hex().encode() not in content


def test_attributes_never_stand_in_what_is_refused(tmp_path: Path, hansa: Hansa) -> None:
    file = tmp_path / "person.json"
    for text in ('{"name": "Canarywharf"', '{"name": ["Canarywharf"]}', '"Canarywharf"'):
        file.write_text(text)
        told = hansa("identity", "register", "hansat1x", str(file), "--home", str(tmp_path), code=1)
        assert told["error"]["code"] == "malformed"
        assert "Canary" not in told["error"]["message"]


def test_a_home_without_a_member(tmp_path: Path, hansa: Hansa) -> None:
    for command in (("open", "x"), ("disclose", "x", "name"), ("audit",)):
        told = hansa("identity", *command, "--home", str(tmp_path), code=1)
        assert told["error"] == {"code": "unknown", "message": f"{tmp_path} is no member's home: name one by --home"}
