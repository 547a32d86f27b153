"""JSON lines over TCP: the toy protocol of the guide "Add a protocol variant"."""

from ..variants import Variant

ORDER = 90
VARIANTS = (
    Variant(
        name="json-lines",
        protocol="json-lines",
        revision="toy",
        transport="TCP, a JSON object a line",
        title="JSON lines over TCP (the guide's toy)",
        server="json_lines.server:serve",
        client="json_lines.client:connect",
        url="json-lines://{tcp}",
        library="asyncio sets no timeout on a socket: it waits for ever, also for a peer that went without a word.",
        fingerprint=r"json-lines \w+",
        listeners=("tcp",),
    ),
)
