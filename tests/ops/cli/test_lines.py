"""What strangers write is told, whatever it is."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bus.jetstream import StoredMessage
from bus.subjects import Subjects
from ops.cli.lines import line, plain
from ops.cli.options import print_json
from ops.entries import Entry, read_entry


def entry(body: Any) -> Entry:
    headers = {"Content-Type": "application/msgpack"}
    message = StoredMessage("r.event.x.a", 1, datetime.now(UTC), msgspec.msgpack.encode(body), headers)
    return read_entry(Subjects("r"), message)


@pytest.mark.parametrize(
    "body", [{None: 1}, {(1, 2): 3}, {"a": msgspec.msgpack.Ext(3, b"x")}], ids=["nil", "array", "ext"]
)
def test_what_json_cannot_say_is_told_as_text(body: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stored = entry(body)
    told = json.loads(msgspec.json.encode(plain(stored)))
    assert (told["message"], bool(told["message_text"])) == (None, True)
    print_json({"entries": [plain(stored)]})
    assert json.loads(capsys.readouterr().out)["entries"] == [told]


def test_an_endless_pause_is_a_line() -> None:
    told = line(entry({"type": "TaskRetrying", "code": "c", "delay_s": math.inf}))
    assert told.endswith("c; again in ?")
