"""``hansa contract``: what an author's tools answer, their exit codes, and that no file brings out a traceback."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from contracts.library import read_library
from node.cli import main
from node.cli_contract import SOURCE_BYTES_READ_MAX

SHOP = '''"""A shop that keeps its orders in order."""

from hansa import Address, Amount, OrderedMap, action, ctx, emit, fail, ledger, query, require

book: OrderedMap[tuple[int, str], Amount] = OrderedMap()


@action
def pay(to: Address, amount: Amount, note: str = "") -> Amount:
    """Pays and remembers."""
    require(amount > 5, "too_little", "pay more than 5")
    ledger.transfer(ledger.bank_money("alpine", "USD"), ctx.sender, to, amount, "payment", note)
    book[amount, to] = amount
    emit("Paid", to=to, amount=amount)
    return amount


@action
def spin() -> None:
    while True:
        pass


@query
def best(count: int) -> list[tuple[int, Amount]]:
    return [(key[0], amount) for key, amount in book.descending(count)]
'''
Told = tuple[int, str, str]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SHOP)
    return path


def tell(capsys: pytest.CaptureFixture[str], *arguments: str) -> Told:
    code = main(["contract", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_call_shows_result_fuel_events_and_changes(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = tell(capsys, "run", str(shop), "pay", '["@bob", "7"]', "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    bob = found["events"][1]["fields"]["to"]
    assert {key: found[key] for key in ("contract", "method", "code", "message", "result")} == {
        "contract": "shop", "method": "pay", "code": "ok", "message": "", "result": "7",
    }
    assert int(found["fuel_used"]) > 2_000
    assert [event["contract"] + "." + event["name"] for event in found["events"]] == ["ledger.journal", "shop.Paid"]
    assert {"key": f'data/shop/book["7", "{bob}"]', "before": None, "after": ["7"]} in found["changes"]
    assert {"key": f"balance/{bob}/USD.alpine", "before": ["10000", "0"], "after": ["10007", "0"]} in found["changes"]
    assert len(found["changes"]) == 4
    text = tell(capsys, "run", str(shop), "pay", '{"to": "@bob", "amount": "7"}')[1].splitlines()
    assert text[:2] == ['result  "7"', f"fuel    {found['fuel_used']}"]
    assert [line.split()[0] for line in text[2:]] == ["event"] * 2 + ["state"] * 4


def failed(code: str, message: str, fuel: str) -> Told:
    return 1, f"failed  {code}: {message}\nfuel    {fuel}\n", ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["spin", "--fuel", "5000"], failed("out_of_fuel", "the fuel limit of 5000 was reached", "5000")),
        (["best", '["x"]'], failed("argument", "an integer is a decimal string", "0")),
        (["pay", "[]"], failed("argument_count", "the method takes another number of arguments", "")),
        (["pay", '["nobody", "7"]'], failed("unknown_account", "no account has the address nobody", "")),
        (["best", '["3"]'], (0, "result  []\nfuel    ", "")),
        (["best", "["], (1, "", "hansa: the arguments are no JSON: Expecting value: line 1 column 2 (char 1)\n")),
        (["best", "[" * 99], (1, "", "hansa: the arguments are nested more than 64 deep\n")),
        (["nope"], (1, "", "hansa: the contract has no action or query 'nope': it has pay, spin, best\n")),
        (["best", "[]", "--sender", "eve"], (1, "", "hansa: nobody is called 'eve' there: --sender is one of alpine, "
         "baltic, central, ann, bob, cid\n")),
        (["best", "[]", "--fuel", "0"], (2, "", "")),
    ],
)
def test_what_a_call_may_end_with(
    shop: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: Told
) -> None:
    code, out, err = tell(capsys, "run", str(shop), *arguments)
    assert code == told[0]
    assert out.startswith(told[1].rstrip("\n")) if told[1] else out == ""
    assert err == told[2] or code == 2


def test_a_refused_file_is_refused_by_each_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os\n")
    expected = f"{bad}:1:1 module.statement: only declarations stand at module level; move it into an action"
    for arguments in (["check", str(bad)], ["run", str(bad), "f"], ["abi", str(bad)]):
        code, out, err = tell(capsys, *arguments)
        assert (code, err) == (1, "")
        assert out.startswith(expected)
        code, out, err = tell(capsys, *arguments, "--json")
        assert (code, err, json.loads(out)["accepted"]) == (1, "", False)


def test_an_abi_is_json_schema(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    code, out, _ = tell(capsys, "abi", str(shop))
    document = json.loads(out)
    assert code == 0
    assert tell(capsys, "abi", str(shop), "--json")[1] == out
    assert list(document["actions"]) == ["pay", "spin"]
    assert [param["name"] for param in document["actions"]["pay"]["params"]] == ["to", "amount", "note"]
    schemas = [method["result"] for kind in ("actions", "queries") for method in document[kind].values()]
    for schema in [*schemas, *[param["schema"] for param in document["actions"]["pay"]["params"]]]:
        jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate([["7", "7"]], document["queries"]["best"]["result"])


@pytest.mark.parametrize("name", list(read_library()))
def test_the_library_can_be_tried_out(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[2] / "contracts" / "library" / f"{name}.py"
    assert tell(capsys, "check", str(path)) == (0, f"{path}: accepted\n", "")
    if name == "payments":
        code, out, err = tell(capsys, "run", str(path), "pay", '["@cid", "USD", "100", "rent"]')
        assert (code, err) == (0, "")
        assert "supply/USD.alpine" in out


def garbage(source: random.Random) -> bytes:
    """A file nobody meant as a contract, or one spoilt."""
    kind = source.randrange(6)
    if kind == 0:
        return source.randbytes(source.randrange(400))
    if kind == 1:
        return bytes(source.choice(b"()[]{}:=\n\t 'x0.,\\#@\"f") for _ in range(source.randrange(600)))
    if kind == 2:
        return source.choice([b"(", b"-", b"not ", b"x.", b"[", b"f'{", b"lambda:", b"a=", b"if 1:\n "]) * 20_000
    text: Any = bytearray(SHOP.encode())
    for _ in range(source.randrange(1, 6)):
        at = source.randrange(len(text))
        if kind == 3:
            text[at] = source.randrange(256)
        elif kind == 4:
            del text[at : at + source.randrange(1, 30)]
        else:
            start = source.randrange(len(text))
            text[at:at] = text[start : start + source.randrange(1, 60)]
    return bytes(text)


@pytest.mark.parametrize("seed", range(4))
def test_no_file_brings_out_a_traceback(seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, path = random.Random(seed), tmp_path / "shop.py"
    for _ in range(40):
        path.write_bytes(garbage(source))
        tool = source.choice([["check"], ["abi"], ["run", "pay", '["@bob", "7"]'], ["run", "best", '["2"]']])
        code = main(["contract", tool[0], str(path), *tool[1:], *source.choice([[], ["--json"]])])
        told = capfd.readouterr()
        assert code in (0, 1), path.read_bytes()
        assert "fault in Hansa" not in told.err, path.read_bytes()
        assert "Traceback" not in told.out + told.err


def test_files_that_are_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(capsys, "check", str(tmp_path / "absent.py"))[0] == 2
    assert tell(capsys, "check", str(tmp_path))[0] == 2
    huge = tmp_path / "huge.py"
    huge.write_bytes(b"#" * (SOURCE_BYTES_READ_MAX + 10))
    assert tell(capsys, "check", str(huge))[0] == 1


@pytest.mark.parametrize("command", [[], ["check"], ["run"], ["abi"]])
def test_each_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = tell(capsys, *command, "--help")
    assert code == 0
    assert "\n  Example:\n    hansa contract" in out or "\nExample:\n  hansa contract" in out
