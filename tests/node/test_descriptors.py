"""What clients may have of the file descriptors that the system allows."""

import resource
import subprocess
import sys

import pytest

from node.descriptors import clients_max
from rpc.guard import CONNECTIONS_MAX
from state.errors import Invalid
from tests.node.running import ROOT


def test_clients_get_what_is_over() -> None:
    assert clients_max(20_000, 5, 1) == CONNECTIONS_MAX
    assert clients_max(1_024, 5, 1) == 1_024 - 32 - 2 * 21 - 256 - 64
    assert clients_max(1_320, 100, 2) == clients_max(1_024, 100, 1) == 1_024 - 32 - 2 * 116 - 256 - 64


def test_too_few_are_refused() -> None:
    assert clients_max(410, 5, 1) == 16
    with pytest.raises(Invalid) as refusal:
        clients_max(409, 5, 1)
    assert refusal.value.detail == (
        "only 409 open files are allowed, and this node needs 410: raise the hard limit (ulimit -Hn, or LimitNOFILE= "
        "in the service's unit)"
    )


def test_the_soft_limit_is_raised() -> None:
    code = "from node import descriptors as d; import resource as r; print(d.claim(), r.getrlimit(r.RLIMIT_NOFILE)[0])"
    limits = (64, min(700, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
    )
    assert told.stdout.split() == ["700", "700"]
