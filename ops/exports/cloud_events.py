"""Ledger entries as CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md). Pure.

The entry's number is `id` and, by the sequence extension, `sequence`; `source` names the ledger, `type` the message, `subject` the
task. `traceparent` is the distributed tracing extension's, `natssubject` and `tasktype` are our own.
"""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from ops.entries import Entry, text


class CloudEvents:
    """As `ops.exports.outputs.LineFormat`: an event a line."""

    follows = False

    def __init__(self, realm: str) -> None:
        self._source = f"/sanctuary/{realm}/ledger"

    def take(self, entry: Entry) -> Iterable[bytes]:
        """Return the entry's event."""
        yield msgspec.json.encode(self._attributes(entry) | _data(entry))

    def _attributes(self, entry: Entry) -> dict[str, Any]:
        named = {
            "subject": entry.task_id,
            "tasktype": entry.task_type,
            "traceparent": text(entry.fields.get("traceparent")),
        }
        return {
            "specversion": "1.0",
            "id": str(entry.sequence),
            "source": self._source,
            "type": f"sanctuary.{entry.kind}",
            "time": entry.stored_at,
            "sequence": f"{entry.sequence:020}",
            "natssubject": entry.subject,
            # An attribute that is there must not be empty.
            **{name: value for name, value in named.items() if value},
        }


def _data(entry: Entry) -> dict[str, Any]:
    """Return the message, as JSON where it is one, otherwise its bytes."""
    if entry.body is not None:
        try:
            return {"datacontenttype": "application/json", "data": msgspec.Raw(msgspec.json.encode(entry.body))}
        except (TypeError, ValueError, RecursionError):  # MessagePack has values that JSON has not
            pass
    return {
        "datacontenttype": entry.content_type if entry.body is not None else "application/octet-stream",
        "data_base64": base64.b64encode(entry.data).decode(),
    }
