from typing import TypeVar

from mcp import Client, StdioServerParameters
from pydantic import BaseModel

Result = TypeVar("Result", bound=BaseModel)


def connect(command: str, *args: str) -> Client:
    return Client(StdioServerParameters(command=command, args=list(args)), mode="legacy")


async def call(client: Client, tool: str, request: BaseModel, result: type[Result]) -> Result:
    answer = await client.call_tool(tool, request.model_dump())
    if answer.is_error:
        raise RuntimeError(answer.content)
    return result.model_validate(answer.structured_content)
