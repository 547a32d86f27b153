from http import HTTPStatus
from typing import Any, cast

import httpx

from ...client import AuthenticatedClient, Client
from ...models.prefix_cache_simulate_task import PrefixCacheSimulateTask
from ...models.problem import Problem
from ...models.simulate_request import SimulateRequest
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: SimulateRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/agents/prefix_cache/skills/simulate",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | PrefixCacheSimulateTask | Problem:
    if response.status_code == 200:
        response_200 = cast(Any, None)
        return response_200

    if response.status_code == 202:
        response_202 = PrefixCacheSimulateTask.from_dict(response.json())

        return response_202

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | PrefixCacheSimulateTask | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: SimulateRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> Response[Any | PrefixCacheSimulateTask | Problem]:
    """Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit
    rate over time.

     Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit
    rate over time.

    Tells progress and emits a point of the artifact `hit_rate` after each slice of the trace. May ask
    once, where `confirm`
    is set and the distinct blocks exceed the capacity: evict, or grow.

    Args:
        idempotency_key (None | str | Unset): The same key with the same body gives the same task
        body (SimulateRequest): A trace, given in `requests` or made from `synthetic` (exactly one
            of them), and the cache to replay it through.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | PrefixCacheSimulateTask | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: SimulateRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> Any | PrefixCacheSimulateTask | Problem | None:
    """Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit
    rate over time.

     Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit
    rate over time.

    Tells progress and emits a point of the artifact `hit_rate` after each slice of the trace. May ask
    once, where `confirm`
    is set and the distinct blocks exceed the capacity: evict, or grow.

    Args:
        idempotency_key (None | str | Unset): The same key with the same body gives the same task
        body (SimulateRequest): A trace, given in `requests` or made from `synthetic` (exactly one
            of them), and the cache to replay it through.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | PrefixCacheSimulateTask | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: SimulateRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> Response[Any | PrefixCacheSimulateTask | Problem]:
    """Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit
    rate over time.

     Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit
    rate over time.

    Tells progress and emits a point of the artifact `hit_rate` after each slice of the trace. May ask
    once, where `confirm`
    is set and the distinct blocks exceed the capacity: evict, or grow.

    Args:
        idempotency_key (None | str | Unset): The same key with the same body gives the same task
        body (SimulateRequest): A trace, given in `requests` or made from `synthetic` (exactly one
            of them), and the cache to replay it through.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | PrefixCacheSimulateTask | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: SimulateRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> Any | PrefixCacheSimulateTask | Problem | None:
    """Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit
    rate over time.

     Replay a request trace through a prefix cache: block hit rate, tokens saved, evictions, and the hit
    rate over time.

    Tells progress and emits a point of the artifact `hit_rate` after each slice of the trace. May ask
    once, where `confirm`
    is set and the distinct blocks exceed the capacity: evict, or grow.

    Args:
        idempotency_key (None | str | Unset): The same key with the same body gives the same task
        body (SimulateRequest): A trace, given in `requests` or made from `synthetic` (exactly one
            of them), and the cache to replay it through.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | PrefixCacheSimulateTask | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            idempotency_key=idempotency_key,
        )
    ).parsed
