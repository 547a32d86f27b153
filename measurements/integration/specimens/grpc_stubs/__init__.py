"""gRPC with the messages and stubs that protoc generates from the agents' own services."""

VARIANT = "grpc"
LABEL = "grpc"
