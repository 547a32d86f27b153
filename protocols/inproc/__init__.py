"""The floor under every protocol: the engine called directly, in the caller's own process."""

from ..variants import Variant

ORDER = 0
VARIANTS = (
    Variant(
        name="inproc",
        protocol="inproc",
        revision="",
        transport="function call",
        title="in-process (the engine called directly)",
        server="",
        client="inproc.client:connect",
        url="inproc:",
        fingerprint="",
        listeners=(),
        library="No library: the engine is called in the same process, and waited for as long as it works.",
    ),
)
