from typing import TypeVar

from ...generated.sametask_client import Client
from ...generated.sametask_client.models import Problem

Result = TypeVar("Result")


def connect(url: str) -> Client:
    return Client(base_url=url)


def accept(answer: Result | Problem | None) -> Result:
    if answer is None or isinstance(answer, Problem):
        raise RuntimeError(answer)
    return answer
