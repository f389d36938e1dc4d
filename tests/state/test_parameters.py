"""The chain's parameters as a genesis document gives them."""

from typing import Any

import pytest

from state.errors import Invalid, Reason
from state.parameters import ChainParameters


def test_defaults_and_changes() -> None:
    assert ChainParameters.from_document({}) == ChainParameters()
    changed = ChainParameters.from_document({"address_prefix": "hansat", "execution_lag": 4})
    assert (changed.address_prefix, changed.execution_lag) == ("hansat", 4)
    assert changed.to_value() != ChainParameters().to_value()


def test_value_names_every_parameter() -> None:
    value = ChainParameters().to_value()
    assert isinstance(value, list)
    assert [name for name, _ in value] == list(ChainParameters.__dataclass_fields__)


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (None, "parameters is a table of names and values"),
        ([], "parameters is a table of names and values"),
        ({"view_timeout_ms": 1}, "there is no parameter 'view_timeout_ms'"),
        ({"execution_lag": 0}, "execution_lag is a positive integer"),
        ({"execution_lag": True}, "execution_lag is a positive integer"),
        ({"execution_lag": "8"}, "execution_lag is a positive integer"),
        ({"execution_lag": 8.0}, "execution_lag is a positive integer"),
        ({"block_fuel_max": 2**63}, "block_fuel_max is a positive integer"),
        *[
            ({"address_prefix": bad}, "address_prefix is 1 to 16 lower-case ASCII letters")
            for bad in ("", "Hansa", "h a", "hansa1", "ħ", "a" * 17, 1, None, "hansa\n")
        ],
    ],
)
def test_refused(document: Any, detail: str) -> None:
    with pytest.raises(Invalid) as refused:
        ChainParameters.from_document(document)
    assert (refused.value.reason, refused.value.detail) == (Reason.BAD_GENESIS, detail)
