"""A2A over its gRPC binding with the official SDK's client, and pydantic models by hand."""

VARIANT = "a2a-grpc"
LABEL = "a2a-grpc"
