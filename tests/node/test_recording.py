"""The recorder: when the journal is made short again."""

import pytest

from node import recording
from node.history import ValidatorHistory
from node.recording import Recorder
from node.timers import Timers
from tests.node.bench import BANKS, LAG, ManualClock, Pages, empty_chain


def test_the_journal_is_compacted_after_so_many_heights_however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start reads every record: its time must not grow with the bytes that small blocks leave unused."""
    monkeypatch.setattr(recording, "JOURNAL_HEIGHTS_MAX", 3)
    pages, chain = Pages(), empty_chain()
    appended: list[int] = []
    compacted: list[int] = []
    monkeypatch.setattr(pages, "compact", lambda records: compacted.append(appended[-1]))
    recorder = Recorder(pages, None, chain, ValidatorHistory(BANKS, LAG, chain), Timers(ManualClock()), lambda _: None)
    for height in range(1, 8):
        appended.append(height)
        recorder.appended()
    assert compacted == [3, 6]
