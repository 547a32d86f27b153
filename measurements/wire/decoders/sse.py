"""Server-sent events, incrementally: which bytes of a body end which event.

Source: WHATWG HTML, "Server-sent events", 9.2.6 (parsing) and 9.2.5 (line ends: CRLF, LF or CR).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class SseItem:
    """An event with data, or a comment. `end` is the offset, in the body, just behind its last byte."""

    comment: bool
    data: str
    event: str
    id: str
    end: int


class SseParser:
    """Feed it a body in any pieces; it gives the events and comments that each piece completed.

    An event without data (a bare `id:` or `retry:`) is no event: a client is not told of it.
    """

    def __init__(self) -> None:
        self._offset = 0  # of the first byte in _line, in the body
        self._line = b""
        self._bare_cr = False  # the last line ended in a CR alone
        self._data: list[str] = []
        self._event = ""
        self._id = ""

    def feed(self, data: bytes) -> list[SseItem]:
        buffer = self._line + data
        items: list[SseItem] = []
        at = 0
        for found in _LINE_END.finditer(buffer):
            # A CR at the end of what we have may be half of a CRLF: clients wait too. Only where lines are known to end in
            # a bare CR is it taken as it stands, so that the answer does not depend on how the bytes were cut up.
            if found.group() == b"\r" and found.end() == len(buffer) and not self._bare_cr:
                break
            self._bare_cr = found.group() == b"\r"
            item = self._end_of_line(buffer[at : found.start()], self._offset + found.end())
            if item:
                items.append(item)
            at = found.end()
        self._line = buffer[at:]
        self._offset += at
        return items

    def _end_of_line(self, raw: bytes, end: int) -> SseItem | None:
        line = raw.decode("utf-8", "replace")
        if self._offset == 0 and line.startswith("\ufeff"):
            line = line[1:]
        if not line:
            item = SseItem(False, "\n".join(self._data), self._event, self._id, end) if self._data else None
            self._data, self._event = [], ""
            return item
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            return SseItem(True, value, "", self._id, end)
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None
