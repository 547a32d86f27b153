from typing import TypeVar

from a2a.client import Client, ClientConfig, create_client
from a2a.helpers import get_data_parts, new_data_message
from a2a.types import Role, SendMessageRequest
from pydantic import BaseModel

Result = TypeVar("Result", bound=BaseModel)


async def connect(card_url: str) -> Client:
    return await create_client(card_url, ClientConfig(supported_protocol_bindings=["HTTP+JSON"], use_client_preference=True))


async def call(client: Client, skill: str, request: BaseModel, result: type[Result]) -> Result:
    message = new_data_message({"skill": skill, "input": request.model_dump()}, role=Role.ROLE_USER)
    async for response in client.send_message(SendMessageRequest(message=message)):
        if response.HasField("message"):
            return result.model_validate(get_data_parts(response.message.parts)[0])
    raise RuntimeError(f"{skill} was not answered with a message")
