from typing import TypeVar

import httpx
from pydantic import BaseModel

Result = TypeVar("Result", bound=BaseModel)


def connect(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url)


async def call(client: httpx.AsyncClient, path: str, request: BaseModel, result: type[Result]) -> Result:
    response = await client.post(path, json=request.model_dump())
    response.raise_for_status()
    return result.model_validate_json(response.content)
