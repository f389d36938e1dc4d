"""What ``./scripts/bench contracts`` times: each construct and helper of the language, small and large operands.

A row is (name, setup, statement). The statement is repeated in a loop after the setup; a loop without it is taken off.
``S``, ``M``, ``L`` in a name say how large the operands are: a few elements, about a hundred, thousands.
"""

from typing import Final

from contracts.trial import address_of, key_of
from state import sealed

Row = tuple[str, str, str]

ANNS_KEY: Final = f'k = from_hex("{key_of("ann").public.hex()}")'

PRELUDE: Final = (
    f'''
ANN = "{address_of("ann")}"
BOB = "{address_of("bob")}"
USD = "USD.alpine"
'''
    + """
from hansa import (
    Address, Amount, Asset, Map, OrderedMap, Value, action, call, ctx, div_round, emit, fail, from_hex, ledger,
    mul_div, query, record, require, round_to, sha256
)


@record
class Order:
    owner: str
    amount: int
    note: str = ""


counts: Map[int, int] = Map()
orders: Map[tuple[str, int], Order] = Map()
book: OrderedMap[tuple[int, int], Order] = OrderedMap()
total: Value[int] = Value(0)


def nothing() -> None:
    pass


def three(a: int, b: int, c: int) -> int:
    return a


def negated(n: int) -> int:
    return -n


@action
def remind(text: str) -> None:
    pass


@action
def prepare() -> None:
    for i in range(1_000):
        counts[i] = i
        book[i, i * 7] = Order("ann", i)
    orders["a", 1] = Order("ann", 1)
    total.set(1)
"""
)

_TEXT = 's = "abcdefgh"\nm = "abcdefgh" * 16\nl = "abcdefgh" * 2_000\nspaced = "ab cd ef gh " * 10'
_LIST = 'xs = [3, 1, 2]\nms = list(range(100))\nls = list(range(5_000))\nts = [(n % 7, "k") for n in range(100)]'
_DICT = 'd = {"a": 1, "b": 2}\nm = {str(n): n for n in range(100)}\ni = {n: n for n in range(1_000)}'
_BYTES = 'b = b"abcdefgh"\nl = b"abcdefgh" * 2_000'
_ORDER = 'o = Order("ann", 5)\np = Order("ann", 5)'

_PUBLIC = sealed.public_of(bytes(32))
_RECORD = sealed.seal(
    bytes(32),
    "identity",
    "alpine",
    address_of("ann"),
    [("given_names", "Ann")],
    [sealed.Reader("alpine", 0, _PUBLIC)],
    bytes(sealed.entropy_bytes(1)),
)
_KEY = f'k = from_hex("{_PUBLIC.hex()}")'
_REGISTERED = f"""{_KEY}
ledger.publish_reading_keys("alpine", [k])
ledger.publish_reading_keys("alpine", [k])
r = ledger.seal("identity", "alpine", ANN, from_hex("{_RECORD.encode().hex()}"))
ledger.submit_identity(ANN, r)
ledger.verify_identity(ANN, 1, ctx.time_ms + 1_000, "CH", "low")"""
"""Ann's identity, verified."""

ROWS: Final[tuple[Row, ...]] = (
    ("pass", "", "pass"),
    ("name = constant", "", "x = 1"),
    ("name = name", "y = 1", "x = y"),
    ("unpacking", "y = 1", "a, b = y, y"),
    ("chained assignment", "y = 1", "a = b = y"),
    ("ctx.field", "", "x = ctx.height"),
    ("record field", _ORDER, "x = o.amount"),
    ("record field = value", _ORDER, "o.amount = 7"),
    ("record field += value", _ORDER, "o.amount += 7"),
    ("if", "y = 1", "if y:\n    pass"),
    ("if … elif … else", "y = 0", "if y:\n    pass\nelif y:\n    pass\nelse:\n    pass"),
    ("… if … else …", "y = 1", "x = 1 if y else 2"),
    ("and, or", "y = 1", "x = y and y or y"),
    ("not", "y = 1", "x = not y"),
    ("is None", "y = 1", "x = y is None"),
    ("while, a turn", "k = 0", "k = 20\nwhile k:\n    k -= 1"),
    ("for over range, a turn", "", "for k in range(20):\n    pass"),
    ("for over list, a turn", _LIST, "for k in ms:\n    pass"),
    ("for over dict.items(), a turn", _DICT, "for k, v in m.items():\n    pass"),
    ("for over enumerate, a turn", _LIST, "for k, v in enumerate(ms):\n    pass"),
    ("call of a function", "", "nothing()"),
    ("call with arguments", "", "three(1, 2, 3)"),
    ("call by keyword", "", "three(1, c=3, b=2)"),
    ("record display", "", 'x = Order("ann", 1)'),
    ("require", "y = 1", 'require(y, "code", "text")'),
    ("+ of int", "y = 5", "x = y + 3"),
    ("- of int", "y = 5", "x = y - 3"),
    ("* of int", "y = 5", "x = y * 3"),
    ("* of large int", "y = 2**120", "x = y * y"),
    ("// of int", "y = 50", "x = y // 3"),
    ("// of large int", "y = 2**250 + 1\nz = 2**100 + 7", "x = y // z"),
    ("% of int", "y = 50", "x = y % 3"),
    ("** S", "y = 3", "x = y ** 4"),
    ("** L", "y = 3", "x = y ** 160"),
    ("<< of int", "y = 5", "x = y << 100"),
    (">> of int", "y = 2**200", "x = y >> 100"),
    ("& of int", "y = 5", "x = y & 3"),
    ("| of int", "y = 5", "x = y | 3"),
    ("^ of int", "y = 5", "x = y ^ 3"),
    ("unary -", "y = 5", "x = -y"),
    ("unary ~", "y = 5", "x = ~y"),
    ("unary +", "y = 5", "x = +y"),
    ("name += int", "y = 5", "y += 3"),
    ("+ of bool", "y = True", "x = y + 3"),
    ("== of int", "y = 5", "x = y == 3"),
    ("< of int", "y = 5", "x = y < 3"),
    ("chained <", "y = 5", "x = 1 < y < 9"),
    ("== of text S", _TEXT, 'x = s == "abcdefgi"'),
    ("== of text L", _TEXT + "\nz = l + 'a'\nw = l + 'a'", "x = z == w"),
    ("== of list S", _LIST, "x = xs == [3, 1, 2]"),
    ("== of list L", _LIST + "\nz = list(ls)", "x = z == ls"),
    ("== of tuples L", _LIST + "\nz = list(ts)", "x = z == ts"),
    ("== of dict M", _DICT + "\nz = dict(m)", "x = z == m"),
    ("== of record", _ORDER, "x = o == p"),
    ("< of tuple", "y = (1, 2)\nz = (1, 3)", "x = y < z"),
    ("in list S", _LIST, "x = 9 in xs"),
    ("in list L", _LIST, "x = -1 in ls"),
    ("in dict", _DICT, 'x = "a" in m'),
    ("in dict of int L", _DICT, "x = 5 in i"),
    ("in text S", _TEXT, 'x = "gh" in s'),
    ("in text L", _TEXT, 'x = "hx" in l'),
    ("in range", "", "x = 5 in range(9)"),
    ("+ of text S", _TEXT, "x = s + s"),
    ("+ of text L", _TEXT, "x = l + l"),
    ("* of text L", _TEXT, "x = s * 2_000"),
    ("+ of list L", _LIST, "x = ls + ls"),
    ("* of list L", _LIST, "x = xs * 2_000"),
    ("list += list", _LIST, "xs += [1, 2, 3]"),
    ("item of list", _LIST, "x = xs[1]"),
    ("item of text", _TEXT, "x = s[1]"),
    ("item of dict", _DICT, 'x = d["a"]'),
    ("item of dict of int L", _DICT, "x = i[700]"),
    ("list item = value", _LIST, "xs[1] = 5"),
    ("dict item = value", _DICT, 'd["a"] = 5'),
    ("dict item of int = value L", _DICT, "i[700] = 5"),
    ("dict item += value", _DICT, 'd["a"] += 5'),
    ("del of a dict item", _DICT, 'd["z"] = 1\ndel d["z"]'),
    ("del of a list item L", _LIST, "ls.append(1)\ndel ls[0]"),
    ("slice S", _LIST, "x = xs[1:]"),
    ("slice L", _LIST, "x = ls[1:]"),
    ("slice of text L", _TEXT, "x = l[1:]"),
    ("slice by steps L", _LIST, "x = ls[::3]"),
    ("list display", "y = 1", "x = [y, y, y]"),
    ("list display L", "y = 1", "x = [" + "y, " * 60 + "]"),
    ("tuple display", "y = 1", "x = (y, y, y)"),
    ("dict display", "y = 1", 'x = {"a": y, "b": y}'),
    ("dict display L", "y = 1", "x = {" + ", ".join(f'"k{n}": y' for n in range(40)) + "}"),
    ("list comprehension S", _LIST, "x = [n for n in xs]"),
    ("list comprehension M", _LIST, "x = [n for n in ms]"),
    ("comprehension with if M", _LIST, "x = [n + 1 for n in ms if n]"),
    ("two loops in a comprehension", _LIST, "x = [n for n in xs for k in xs]"),
    ("dict comprehension M", _LIST, "x = {n: n for n in ms}"),
    ("dict comprehension of text M", _LIST, "x = {str(n): n for n in ms}"),
    ("generator in sum M", _LIST, "x = sum(n for n in ms)"),
    ("generator in all M", _LIST, "x = all(n >= 0 for n in ms)"),
    ("f-string S", "y = 5", 'x = f"a{y}b"'),
    ("f-string of four", "y = 5", 'x = f"{y} {y} {y} {y}"'),
    ("f-string with width", "y = 5", 'x = f"{y:>20}"'),
    ("f-string of zeros", "y = 5", 'x = f"{y:020d}"'),
    ("f-string L", _TEXT, 'x = f"{l}{l}"'),
    ("f-string of a large int", "y = 2**255", 'x = f"{y}"'),
    ("abs", "y = -5", "x = abs(y)"),
    ("all M", _LIST, "x = all(ts)"),
    ("any L", "ls = [0] * 5_000", "x = any(ls)"),
    ("bool", "y = 5", "x = bool(y)"),
    ("bytes(n) L", "", "x = bytes(5_000)"),
    ("bytes(list) M", _LIST, "x = bytes(ms)"),
    ("dict(dict) M", _DICT, "x = dict(m)"),
    ("dict(pairs) M", "ps = [(str(n), n) for n in range(100)]", "x = dict(ps)"),
    ("divmod", "y = 50", "x = divmod(y, 7)"),
    ("enumerate M", _LIST, "x = enumerate(ms)"),
    ("int(text)", "", 'x = int("12345")'),
    ("int(text) L", 'y = "1" * 77', "x = int(y)"),
    ("len", _LIST, "x = len(xs)"),
    ("list(range) M", "", "x = list(range(100))"),
    ("list(text) L", _TEXT, "x = list(l)"),
    ("max of two", "y = 5", "x = max(y, 9)"),
    ("max of list M", _LIST, "x = max(ms)"),
    ("min of list by key M", _LIST, "x = min(ms, key=lambda n: -n)"),
    ("min of list by function M", _LIST, "x = min(ms, key=negated)"),
    ("ord", "", 'x = ord("a")'),
    ("pow of two", "y = 3", "x = pow(y, 4)"),
    ("pow of three", "y = 2**255 - 19", "x = pow(3, y - 2, y)"),
    ("range", "", "x = range(9)"),
    ("reversed M", _LIST, "x = reversed(ms)"),
    ("sorted S", _LIST, "x = sorted(xs)"),
    ("sorted M", "ms = [n * 61 % 101 for n in range(100)]", "x = sorted(ms)"),
    ("sorted L", "ls = [n * 3_001 % 5_003 for n in range(5_000)]", "x = sorted(ls)"),
    ("sorted by key M", "ms = [n * 61 % 101 for n in range(100)]", "x = sorted(ms, key=lambda n: -n)"),
    ("sorted of text M", "ms = [str(n * 61 % 101) for n in range(100)]", "x = sorted(ms)"),
    ("sorted of long text M", 'ms = ["a" * 500 + str(n * 61 % 101) for n in range(100)]', "x = sorted(ms)"),
    ("sorted of tuples M", _LIST, "x = sorted(ts)"),
    ("str(int)", "y = 5", "x = str(y)"),
    ("str(large int)", "y = 2**255", "x = str(y)"),
    ("sum M", _LIST, "x = sum(ms)"),
    ("sum(range) L", "", "x = sum(range(100_000))"),
    ("tuple(list) M", _LIST, "x = tuple(ms)"),
    ("zip M", _LIST, "x = zip(ms, ms)"),
    ("mul_div", "y = 10**18", 'x = mul_div(y, 3, 7, "half_even")'),
    ("mul_div of large int", "y = 2**255", 'x = mul_div(y, y, y, "down")'),
    ("div_round", "y = 10**18", 'x = div_round(y, 7, "half_up")'),
    ("round_to", "y = 10**18", 'x = round_to(y, 5, "half_up")'),
    ("sha256 S", _BYTES, "x = sha256(b)"),
    ("sha256 L", _BYTES, "x = sha256(l)"),
    ("from_hex S", "", 'x = from_hex("00ff00ff")'),
    ("from_hex L", 'y = "0f" * 2_000', "x = from_hex(y)"),
    ("Address", "", 'x = Address("hsa1abcdefgh")'),
    ("Amount", "y = 5", "x = Amount(y)"),
    ("list.append", _LIST, "xs.append(1)"),
    ("list.append, pop", _LIST, "xs.append(1)\nxs.pop()"),
    ("list.clear", _LIST, "xs.clear()"),
    ("list.copy L", _LIST, "x = ls.copy()"),
    ("list.count L", _LIST, "x = ls.count(5)"),
    ("list.extend S", _LIST, "xs.extend([1, 2])"),
    ("list.index L", _LIST, "x = ls.index(4_999)"),
    ("list.insert, pop(0) L", _LIST, "ls.insert(0, 1)\nls.pop(0)"),
    ("list.remove L", _LIST, "ls.append(-1)\nls.remove(-1)"),
    ("list.reverse L", _LIST, "ls.reverse()"),
    ("list.sort M", "ms = [n * 61 % 101 for n in range(100)]", "ms.sort()"),
    ("tuple.count", "y = (1, 2, 3)", "x = y.count(2)"),
    ("dict.get", _DICT, 'x = d.get("a")'),
    ("dict.items M", _DICT, "x = m.items()"),
    ("dict.keys M", _DICT, "x = m.keys()"),
    ("dict.values M", _DICT, "x = m.values()"),
    ("dict.pop with default", _DICT, 'x = d.pop("z", 1)'),
    ("dict.setdefault", _DICT, 'x = d.setdefault("a", 1)'),
    ("dict.update M", _DICT, "d.update(m)"),
    ("dict.copy M", _DICT, "x = m.copy()"),
    ("str.count L", _TEXT, 'x = l.count("h")'),
    ("str.encode S", _TEXT, "x = s.encode()"),
    ("str.encode L", _TEXT, "x = l.encode()"),
    ("str.endswith", _TEXT, 'x = s.endswith("h")'),
    ("str.find S", _TEXT, 'x = s.find("h")'),
    ("str.find L", _TEXT, 'x = l.find("hx")'),
    ("str.index S", _TEXT, 'x = s.index("h")'),
    ("str.isalnum S", _TEXT, "x = s.isalnum()"),
    ("str.isalpha L", _TEXT, "x = l.isalpha()"),
    ("str.isascii", _TEXT, "x = l.isascii()"),
    ("str.isdigit S", _TEXT, "x = s.isdigit()"),
    ("str.islower L", _TEXT, "x = l.islower()"),
    ("str.isupper S", _TEXT, "x = s.isupper()"),
    ("str.join M", 'ps = ["ab"] * 100', 'x = ",".join(ps)'),
    ("str.ljust", _TEXT, "x = s.ljust(20)"),
    ("str.lower S", _TEXT, "x = s.lower()"),
    ("str.lower L", _TEXT, "x = l.lower()"),
    ("str.upper L", _TEXT, "x = l.upper()"),
    ("str.lstrip S", _TEXT, "x = s.lstrip()"),
    ("str.strip L", 'l = " " * 4_000', "x = l.strip()"),
    ("str.strip of named L", 'l = "ab" * 2_000', 'x = l.strip("abcdefgh")'),
    ("str.rstrip S", _TEXT, "x = s.rstrip()"),
    ("str.removeprefix", _TEXT, 'x = s.removeprefix("ab")'),
    ("str.removesuffix", _TEXT, 'x = s.removesuffix("gh")'),
    ("str.replace S", _TEXT, 'x = s.replace("a", "b")'),
    ("str.replace L", _TEXT, 'x = l.replace("a", "bb")'),
    ("str.rfind L", _TEXT, 'x = l.rfind("xa")'),
    ("str.rjust", _TEXT, "x = s.rjust(20)"),
    ("str.split S", _TEXT, 'x = s.split("c")'),
    ("str.split L", _TEXT, 'x = l.split("c")'),
    ("str.split at blanks", _TEXT, "x = spaced.split()"),
    ("str.splitlines", 'y = "ab\\n" * 50', "x = y.splitlines()"),
    ("str.startswith", _TEXT, 'x = s.startswith("ab")'),
    ("str.zfill", _TEXT, "x = s.zfill(20)"),
    ("bytes.decode S", _BYTES, "x = b.decode()"),
    ("bytes.decode L", _BYTES, "x = l.decode()"),
    ("bytes.hex S", _BYTES, "x = b.hex()"),
    ("bytes.hex L", _BYTES, "x = l.hex()"),
    ("bytes.find L", _BYTES, 'x = l.find(b"hx")'),
    ("Map: in", "", "x = 5 in counts"),
    ("Map: read int", "", "x = counts[5]"),
    ("Map: get", "", "x = counts.get(5, 0)"),
    ("Map: write int", "", "counts[5] = 7"),
    ("Map: += int", "", "counts[5] += 7"),
    ("Map: read record", "", 'x = orders["a", 1]'),
    ("Map: write record", _ORDER, 'orders["a", 1] = o'),
    ("Map: write and del", "", "counts[5] = 7\ndel counts[5]"),
    ("Value: get", "", "x = total.get()"),
    ("Value: set", "", "total.set(7)"),
    ("OrderedMap: read", "", "x = book[5, 35]"),
    ("OrderedMap: overwrite", _ORDER, "book[5, 35] = o"),
    ("OrderedMap: insert and del", _ORDER, "book[5, 36] = o\ndel book[5, 36]"),
    ("OrderedMap: ascending S", "", "x = book.ascending(1)"),
    ("OrderedMap: ascending M", "", "x = book.ascending(100, start=(300,))"),
    ("OrderedMap: descending M", "", "x = book.descending(100, stop=(700,))"),
    ("OrderedMap: first", "", "x = book.first()"),
    ("emit", "", 'emit("Done", amount=5, by="ann")'),
    ("call of another contract", "", 'x = call(Address("members"), "role", "alpine")'),
    ("call with a typed answer", "", 'x: str = call(Address("members"), "role", "alpine")'),
    ("ledger.transfer", "", 'ledger.transfer(USD, ANN, BOB, 1, "rent")'),
    ("ledger.journal of ten", "", 'ledger.journal([(USD, ANN, -1), (USD, BOB, 1)] * 5, "rent")'),
    ("ledger.journal_refusal", "", "x = ledger.journal_refusal([(USD, ANN, -1), (USD, BOB, 1)])"),
    ("ledger.mint", "", 'ledger.mint(USD, BOB, 1, "deposit")'),
    ("ledger.burn", "", 'ledger.burn(USD, ANN, 1, "withdrawal")'),
    ("ledger.balance", "", "x = ledger.balance(USD, ANN)"),
    ("ledger.held", "", "x = ledger.held(USD, ANN)"),
    ("ledger.supply", "", "x = ledger.supply(USD)"),
    ("ledger.hold, void_hold", "", 'x = ledger.hold(USD, ANN, 1, BOB, 0, "order")\nledger.void_hold(x)'),
    ("ledger.hold, post_hold", "", 'x = ledger.hold(USD, ANN, 1, BOB, 0, "order")\nledger.post_hold(x, 1, "order")'),
    ("ledger.hold_status", 'h = ledger.hold(USD, ANN, 1, BOB, 0, "order")', "x = ledger.hold_status(h)"),
    ("ledger.hold_info", 'h = ledger.hold(USD, ANN, 1, BOB, 0, "order")', "x = ledger.hold_info(h)"),
    ("ledger.may_settle", 'h = ledger.hold(USD, ANN, 1, BOB, 0, "order")', "x = ledger.may_settle(h)"),
    ("ledger.reserved", 'h = ledger.hold(USD, ANN, 1, BOB, 0, "order")', "x = ledger.reserved(USD)"),
    ("ledger.hold, post_holds", "",
     'x = ledger.hold(USD, ANN, 2, BOB, 0, "order")\ny = ledger.post_holds([(x, BOB, 1, True)], [], "order")'),
    ("ledger.post_holds of four", "",
     'x = [ledger.hold(USD, ANN, 1, BOB, 0, "order") for i in range(4)]\n'
     'y = ledger.post_holds([(h, BOB, 1, False) for h in x], [(USD, ANN, -1), (USD, BOB, 1)], "order")'),
    ("ledger.hold, hold_group, void_group", "",
     'x = ledger.hold_group([ledger.hold(USD, ANN, 1, BOB, 0, "order")])\nledger.void_group(x)'),
    ("ledger.hold, hold_group, post_group", "",
     'x = ledger.hold_group([ledger.hold(USD, ANN, 1, BOB, 0, "order")])\nledger.post_group(x, [1], "order")'),
    ("ledger.group_status", 'g = ledger.hold_group([ledger.hold(USD, ANN, 1, BOB, 0, "order")])',
     "x = ledger.group_status(g)"),
    ("ledger.authorise_supply", "", "ledger.authorise_supply(USD, 1_000_000_000)"),
    ("ledger.require_attestation", "", "ledger.require_attestation(USD, ANN, 1_000)"),
    ("ledger.attest_reserve", "ledger.require_attestation(USD, ANN, 1_000)",
     'ledger.attest_reserve(USD, 1_000_000_000, b"")'),
    ("ledger.revise_asset", "", 'x = ledger.revise_asset(USD, b"")'),
    ("ledger.asset_terms", "", "x = ledger.asset_terms(USD)"),
    ("ledger.set_limits", "", 'ledger.set_limits(USD, "low", [("day_out", 1_000_000)])'),
    ("ledger.limits_in_force", 'ledger.set_limits(USD, "low", [("day_out", 1_000_000)])',
     'x = ledger.limits_in_force(USD, "low")'),
    ("ledger.limits_left", 'ledger.set_limits(USD, "unverified", [("day_out", 1_000_000)])',
     "x = ledger.limits_left(USD, ANN)"),
    ("ledger.set_corridor", "", 'ledger.set_corridor(USD, "CH", "SG", [("day", 1_000_000)])'),
    ("ledger.corridor_in_force", "", 'x = ledger.corridor_in_force(USD, "CH", "SG")'),
    ("ledger.set_jurisdictions", "", 'ledger.set_jurisdictions(USD, False, ["KP"])'),
    ("ledger.orders_on", "", "x = ledger.orders_on(ANN, 1, 10)"),
    ("ledger.freezes_on", "", "x = ledger.freezes_on(ANN)"),
    ("ledger.may_exchange", 'h = ledger.hold(USD, ANN, 1, Address(""), 0, "order")',
     "x = ledger.may_exchange(h, BOB, 1, USD, 1)"),
    ("ledger.hold, free_hold", "", 'x = ledger.hold(USD, ANN, 1, BOB, 0, "order")\nledger.free_hold(x)'),
    ("ledger.account_bank", "", "x = ledger.account_bank(ANN)"),
    ("ledger.grant, withdraw_grant", "", 'ledger.grant(ANN, "bench")\nledger.withdraw_grant(ANN, "bench")'),
    ("ledger.has_grant", "", 'x = ledger.has_grant(ANN, "bench")'),
    ("ledger.rotate_keys", ANNS_KEY, "ledger.rotate_keys(ANN, [(k, 1)], 1)"),
    ("ledger.start_recovery, cancel_recovery", ANNS_KEY,
     "x = ledger.start_recovery(ANN, [(k, 1)], 1)\nledger.cancel_recovery(ANN)"),
    ("ledger.recovery_due_ms", "", "x = ledger.recovery_due_ms(ANN)"),
    ("ledger.sponsor, withdraw_sponsor", "", "ledger.sponsor(ANN)\nledger.withdraw_sponsor(ANN)"),
    ("ledger.is_sponsored", "", "x = ledger.is_sponsored(ANN)"),
    ("ledger.tariff", "", "x = ledger.tariff()"),
    ("ledger.open_proposals", "", "x = ledger.open_proposals(ANN)"),
    ("ledger.open_motions", "", "x = ledger.open_motions()"),
    (
        "ledger.allow_supply, disallow_supply",
        "",
        'ledger.allow_supply(USD, "bench")\nledger.disallow_supply(USD, "bench")',
    ),
    ("ledger.asset_info", "", "x = ledger.asset_info(USD)"),
    ("ledger.bank_money", "", 'x = ledger.bank_money("alpine", "USD")'),
    ("ledger.settlement_money", "", 'x = ledger.settlement_money("USD")'),
    (
        "ledger.submit_identity, request_information, revoke_identity",
        _REGISTERED,
        'ledger.submit_identity(ANN, r)\nledger.request_information(ANN, "x")\nledger.revoke_identity(ANN, "x")',
    ),
    ("ledger.verify_identity", _REGISTERED, 'ledger.verify_identity(ANN, 1, ctx.time_ms + 1_000, "CH", "low")'),
    (
        "ledger.suspend_identity, resume_identity",
        _REGISTERED,
        'ledger.suspend_identity(ANN, "x")\nledger.resume_identity(ANN, "x")',
    ),
    ("ledger.identity_of", _REGISTERED, "x = ledger.identity_of(ANN)"),
    ("ledger.identity_record", _REGISTERED, "x = ledger.identity_record(ANN)"),
    ("ledger.publish_reading_keys", _KEY, 'x = ledger.publish_reading_keys("alpine", [k])'),
    ("ledger.reading_keys", _REGISTERED, 'x = ledger.reading_keys("alpine")'),
    ("ledger.reading_key_count", _REGISTERED, 'x = ledger.reading_key_count("alpine")'),
    ("ledger.record_info", _REGISTERED, "x = ledger.record_info(r)"),
    ("ledger.record_readers", _REGISTERED, "x = ledger.record_readers(r)"),
    ("ledger.mandated_readers", "", 'x = ledger.mandated_readers("alpine")'),
    ("ledger.member_role", "", 'x = ledger.member_role("alpine")'),
    ("ledger.member_account", "", 'x = ledger.member_account("alpine")'),
    ("ledger.member_of", "", "x = ledger.member_of(ANN)"),
    ("ledger.day_of", "", "x = ledger.day_of(2024, 2, 29)"),
    ("ledger.date_of", "", "x = ledger.date_of(20000)"),
    ("ledger.add_months", "", "x = ledger.add_months(20000, 7, 31)"),
    ("ledger.year_fraction", "", 'x = ledger.year_fraction("ACT/ACT ISDA", 19000, 20000)'),
    ("ledger.business_day", "", 'x = ledger.business_day("TARGET", 19812, "modified_following")'),
    (
        "ledger.schedule, cancel_schedule",
        "",
        'x = ledger.schedule("remind", "rent", 9_000_000_000_000, 100_000, 0, 0)\nledger.cancel_schedule(x)',
    ),
    (
        "ledger.schedule_status",
        'n = ledger.schedule("remind", "rent", 9_000_000_000_000, 100_000, 0, 0)',
        "x = ledger.schedule_status(n)",
    ),
    ("emit L", "ps = [1] * 500", 'emit("Done", amounts=ps)'),
)
