"""What the two client programs have in common: who the user is, and what is done in each scenario.

The suite starts a program with the scenario's name in MCP_CONFORMANCE_SCENARIO, the revision in
MCP_CONFORMANCE_PROTOCOL_VERSION, what it needs to know in MCP_CONFORMANCE_CONTEXT (JSON), and the server's url as its last
argument.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import mcp.types as t
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

METADATA_URL = "https://conformance-test.local/client-metadata.json"
REDIRECT = "http://localhost:3030/callback"


class Speaking(Protocol):
    """A connected client, whoever's."""

    async def tools(self) -> Mapping[str, dict[str, Any]]:
        """The input schema of each tool."""
        ...

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any: ...


@dataclass(frozen=True)
class Asked:
    """What the suite asks for."""

    url: str
    scenario: str
    legacy: bool
    context: Mapping[str, Any]

    @classmethod
    def read(cls) -> Asked:
        revision = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
        context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
        return cls(sys.argv[-1], os.environ["MCP_CONFORMANCE_SCENARIO"], revision < "2026", context)

    @property
    def auth(self) -> httpx2.Auth | None:
        """The user's consent, where the scenario is about it."""
        if not self.scenario.startswith("auth/"):
            return None
        storage = Storage()
        if self.scenario == "auth/client-credentials-basic":
            given = self.context["client_id"], self.context["client_secret"]
            return ClientCredentialsOAuthProvider(self.url, storage, *given)
        if "client_id" in self.context:
            storage.client = OAuthClientInformationFull(
                redirect_uris=[REDIRECT],
                client_id=self.context["client_id"],
                client_secret=self.context.get("client_secret"),
                token_endpoint_auth_method="client_secret_basic",
                issuer=self.context.get("issuer"),
            )
        user = User()
        metadata = OAuthClientMetadata(
            client_name="conformance",
            redirect_uris=[REDIRECT],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
        )
        return OAuthClientProvider(self.url, metadata, storage, user.follow, user.came_back, client_metadata_url=METADATA_URL)


class Storage:
    """Satisfies the SDK's TokenStorage."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class User:
    """Somebody who agrees to everything, and has no browser."""

    def __init__(self) -> None:
        self._back: dict[str, list[str]] = {}

    async def follow(self, url: str) -> None:
        async with httpx.AsyncClient() as http:
            response = await http.get(url, follow_redirects=False)
        self._back = parse_qs(urlsplit(response.headers["location"]).query)

    async def came_back(self) -> AuthorizationCodeResult:
        code, state, issuer = (self._back.get(name, [None])[0] for name in ("code", "state", "iss"))
        return AuthorizationCodeResult(code=code or "", state=state, iss=issuer)


async def elicited(context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
    """Accept with what the form proposes, and something of the right type elsewhere."""
    schema = params.requested_schema if isinstance(params, t.ElicitRequestFormParams) else {}
    properties: dict[str, Any] = schema.get("properties", {})
    content = {name: spec["default"] if "default" in spec else sample(spec) for name, spec in properties.items()}
    return t.ElicitResult(action="accept", content=content)


def sample(spec: Mapping[str, Any]) -> Any:
    """A value that fits a JSON Schema, as far as these scenarios go."""
    if "enum" in spec:
        return spec["enum"][0]
    kind = spec.get("type", "string")
    plain: dict[str, Any] = {"number": 3, "integer": 3, "boolean": True, "array": [], "object": {}, "null": None}
    return plain.get(kind[0] if isinstance(kind, list) else kind, "text")


async def steps(asked: Asked, client: Speaking) -> None:
    """Everything that a scenario may want to see: the list, and each tool called once."""
    tools = await client.tools()
    if asked.scenario == "http-custom-headers" and "toolCalls" in asked.context:
        for each in asked.context["toolCalls"]:
            await client.call(each["name"], each["arguments"])
        return
    if asked.scenario == "json-schema-2020-12-preservation":
        focal = next(name for name, schema in tools.items() if "$defs" in schema)
        echo = next(name for name in tools if name != focal)
        await client.call(echo, {"schema": tools[focal]})
        return
    for name, schema in tools.items():
        wanted = schema.get("properties", {}) if asked.scenario != "initialize" else {}
        await client.call(name, {field: sample(spec) for field, spec in wanted.items()})


Open = Callable[[Asked], AbstractAsyncContextManager[Speaking]]


def run(open_client: Open) -> None:
    """A program's main: exit code 0 where all went well, as the suite wants to know."""

    async def main() -> None:
        asked = Asked.read()
        async with open_client(asked) as client:
            await steps(asked, client)

    try:
        asyncio.run(main())
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
