"""gRPC without A2A: each agent's own typed service, in the messages of `proto/`."""

from ..variants import Variant

ORDER = 40
VARIANTS = (
    Variant(
        name="grpc",
        protocol="grpc",
        revision="v1",
        transport="HTTP/2, protobuf",
        title="gRPC (the agents' own typed services)",
        server="grpc.server:serve",
        client="grpc.client:connect",
        url="grpc://{grpc}",
        fingerprint=r"grpc /(sametask\.\w+\.v1\.\w+|grpc\.reflection\.v1(alpha)?\.ServerReflection)/\w+( grpc-status=\d+)?",
        listeners=("grpc",),
        library="grpcio 1.85 sets no deadline and sends no keepalive: it waits for ever, also for a peer that went without a"
        " word; a call that has reached the server is not tried again.",
        lacks={
            "schema_bounds": "protobuf descriptors carry types, not bounds or descriptions of fields (Proto Language Guide)",
            "webhooks": "every call is begun by the client: a server calls nobody (gRPC, Core concepts, RPC life cycle)",
        },
    ),
)
