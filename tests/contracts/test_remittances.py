"""Remittances, case by case: who may do what, at which time, and what becomes of the money.

The escrow-like cases follow what rippled's tests ask of its escrows (src/test/app/Escrow_test.cpp and
EscrowToken_test.cpp, XRPLF/rippled; its Timing, Failure Cases, Lockup and Locked Rate cases, issue 5565 and pull
request 7014), as our own tables with our own figures. In its words an accept is a finish.
"""


import pytest

from tests.contracts.network import address_of
from tests.contracts.remittance_office import Office, Terms

QUOTE = Terms()


@pytest.fixture
def office() -> Office:
    """Two banks that remit."""
    return Office.open()


def ended(office: Office) -> dict[str, object]:
    """The fields of the one event that says how a remittance ended."""
    (event,) = [event for event in office.receipt.events if event.name == "Ended"]
    return dict(event.fields)


def test_a_remittance_settles_in_one_transaction(office: Office) -> None:
    name = office.quote()
    before = office.money()
    assert office.status(name) == "quoted"
    assert office.lock(name) == "ok"
    assert office.status(name) == "locked"
    assert office.changes(before) == {
        ("ann", "USD.alpine"): (-5_120, 5_120),
        ("alpine", "JPY.central"): (-7_363, 7_363),
    }
    assert office.call("baltic", "accept", name) == "ok"
    assert office.status(name) == "settled"
    assert office.changes(before) == {
        ("ann", "USD.alpine"): (-5_120, 0),
        ("alpine", "USD.alpine"): (120, 0),
        ("alpine", "JPY.central"): (-7_363, 0),
        ("baltic", "JPY.central"): (7_363, 0),
        ("cid", "JPY.baltic"): (7_363, 0),
    }
    assert ended(office) == {
        "remittance": name,
        "status": "settled",
        "bank": "alpine",
        "originator": address_of("ann"),
        "beneficiary": address_of("cid"),
        "beneficiary_bank": "baltic",
        "received": 7_363,
        "lost": 5_120,
        "reason": "",
        "note": "",
    }
