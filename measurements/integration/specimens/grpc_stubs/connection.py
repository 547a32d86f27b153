import grpc.aio


def connect(target: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(target)
