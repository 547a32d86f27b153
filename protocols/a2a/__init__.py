"""A2A 1.0 (Agent2Agent): agent cards on HTTP; messages, tasks and their streams on a binding of the protocol."""

from ..variants import Variant

ORDER = 30

LACKS = {
    "event_replay": "A2A 1.0 section 3.1.6: SubscribeToTask takes a task id and no cursor; it begins with the task"
    " as it stands, and updates missed before are not sent again",
    "event_numbers": "A2A 1.0 sections 4.2.1 and 4.2.2: update events carry no id and no number",
}

VARIANTS = (
    Variant(
        name="a2a-grpc",
        protocol="a2a",
        revision="1.0",
        transport="gRPC",
        title="A2A 1.0 (gRPC binding, agent card on HTTP)",
        server="a2a.server:serve",
        client="a2a.client:connect",
        url="http://{http}",
        fingerprint=r"GET /\.well-known/agent-card\.json .*|grpc /lf\.a2a\.v1\.A2AService/\w+ .*a2a-version=1\.0",
        listeners=("http", "grpc"),
        lacks=LACKS,
    ),
)
