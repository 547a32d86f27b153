from http import HTTPStatus
from typing import Any, cast

import httpx

from ...client import AuthenticatedClient, Client
from ...models.model_router_tune_task import ModelRouterTuneTask
from ...models.problem import Problem
from ...models.tune_request import TuneRequest
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: TuneRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/agents/model_router/skills/tune",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | ModelRouterTuneTask | Problem:
    if response.status_code == 200:
        response_200 = cast(Any, None)
        return response_200

    if response.status_code == 202:
        response_202 = ModelRouterTuneTask.from_dict(response.json())

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
) -> Response[Any | ModelRouterTuneTask | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: TuneRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> Response[Any | ModelRouterTuneTask | Problem]:
    """Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or
    at most so dear.

     Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or
    at most so dear.

    Emits a point of the artifact `points` for each threshold tried; the result's frontier holds those
    that none beats.

    Args:
        idempotency_key (None | str | Unset): The same key with the same body gives the same task
        body (TuneRequest): Queries (given, or made from `synthetic`: exactly one of them), two
            models, and the one constraint to meet.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ModelRouterTuneTask | Problem]
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
    body: TuneRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> Any | ModelRouterTuneTask | Problem | None:
    """Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or
    at most so dear.

     Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or
    at most so dear.

    Emits a point of the artifact `points` for each threshold tried; the result's frontier holds those
    that none beats.

    Args:
        idempotency_key (None | str | Unset): The same key with the same body gives the same task
        body (TuneRequest): Queries (given, or made from `synthetic`: exactly one of them), two
            models, and the one constraint to meet.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ModelRouterTuneTask | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: TuneRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> Response[Any | ModelRouterTuneTask | Problem]:
    """Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or
    at most so dear.

     Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or
    at most so dear.

    Emits a point of the artifact `points` for each threshold tried; the result's frontier holds those
    that none beats.

    Args:
        idempotency_key (None | str | Unset): The same key with the same body gives the same task
        body (TuneRequest): Queries (given, or made from `synthetic`: exactly one of them), two
            models, and the one constraint to meet.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ModelRouterTuneTask | Problem]
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
    body: TuneRequest,
    idempotency_key: None | str | Unset = UNSET,
) -> Any | ModelRouterTuneTask | Problem | None:
    """Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or
    at most so dear.

     Sweep the threshold over sample queries and choose the best under a constraint: at least so good, or
    at most so dear.

    Emits a point of the artifact `points` for each threshold tried; the result's frontier holds those
    that none beats.

    Args:
        idempotency_key (None | str | Unset): The same key with the same body gives the same task
        body (TuneRequest): Queries (given, or made from `synthetic`: exactly one of them), two
            models, and the one constraint to meet.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ModelRouterTuneTask | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            idempotency_key=idempotency_key,
        )
    ).parsed
