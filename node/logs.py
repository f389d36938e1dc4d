"""What a node says while it runs: one line an event, for people or for machines, never more than can be read.

The same kind of line is written a few times a minute, then counted. Control characters are spelled out, so that
nothing that a peer or a client sent can pass for a line of its own. Lines carry facts by name; keys, passphrases and
payloads are never among them.
"""

import json
import logging
import sys
import time
from collections import OrderedDict
from typing import TextIO

from node.configuration import LogSettings

SAME_LINES_PER_MINUTE_MAX = 20
"""Lines of one kind in a minute."""

KIND_CHARS = 32
"""Lines of one logger that begin alike for so long are of one kind."""

KINDS_MAX = 512
"""Kinds remembered."""

LINE_CHARS_MAX = 4_096
"""Longest line; tracebacks of our own bugs may be longer."""

_SPELLED = {number: f"\\x{number:02x}" for number in (*range(32), 127, *range(128, 160), 0x2028, 0x2029)}


class Repeats(logging.Filter):
    """Lets so many lines of a kind through in a minute, then one that says how many were left out."""

    def __init__(self, lines_max: int = SAME_LINES_PER_MINUTE_MAX) -> None:
        super().__init__()
        self._max = lines_max
        self._kinds: OrderedDict[tuple[str, int, str], tuple[int, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        kind = (record.name, record.levelno, str(record.msg)[:KIND_CHARS])
        minute = int(time.monotonic() // 60)
        began, count = self._kinds.pop(kind, (minute, 0))
        if began != minute:
            left_out, began, count = count - self._max, minute, 0
            if left_out > 0:
                record.msg = f"{record.msg} ({left_out} lines like this were left out)"
        self._kinds[kind] = began, count + 1
        if len(self._kinds) > KINDS_MAX:
            self._kinds.popitem(last=False)
        return count < self._max


class PlainFormatter(logging.Formatter):
    """Time, level, logger, sentence, facts."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        line = f"{_time(record)} {record.levelname:<8} {record.name}: {record.getMessage()}{facts}"
        line = line[:LINE_CHARS_MAX].translate(_SPELLED)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:LINE_CHARS_MAX],
            **{name: value if isinstance(value, int) else str(value) for name, value in _facts(record).items()},
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send every logger's lines to ``stream`` (standard error) as the configuration says."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else PlainFormatter())
    handler.addFilter(Repeats())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("hansa").setLevel(settings.level.upper())


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = getattr(record, "facts", None)
    return facts if isinstance(facts, dict) else {}


def _time(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"
