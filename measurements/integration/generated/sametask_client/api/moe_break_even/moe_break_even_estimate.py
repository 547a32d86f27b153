from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.estimate import Estimate
from ...models.estimate_request import EstimateRequest
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: EstimateRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/agents/moe_break_even/skills/estimate",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Estimate | Problem:
    if response.status_code == 200:
        response_200 = Estimate.from_dict(response.json())

        return response_200

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
) -> Response[Estimate | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: EstimateRequest,
) -> Response[Estimate | Problem]:
    """Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the
    terms that decide

     Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the
    terms that decide
    it, and the concurrency at which the cheaper one changes.

    Args:
        body (EstimateRequest): Two deployments for the same traffic: so many sequences decoded at
            once.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Estimate | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: EstimateRequest,
) -> Estimate | Problem | None:
    """Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the
    terms that decide

     Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the
    terms that decide
    it, and the concurrency at which the cheaper one changes.

    Args:
        body (EstimateRequest): Two deployments for the same traffic: so many sequences decoded at
            once.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Estimate | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: EstimateRequest,
) -> Response[Estimate | Problem]:
    """Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the
    terms that decide

     Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the
    terms that decide
    it, and the concurrency at which the cheaper one changes.

    Args:
        body (EstimateRequest): Two deployments for the same traffic: so many sequences decoded at
            once.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Estimate | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: EstimateRequest,
) -> Estimate | Problem | None:
    """Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the
    terms that decide

     Compare a mixture-of-experts deployment with a dense one at the same traffic: cost per token, the
    terms that decide
    it, and the concurrency at which the cheaper one changes.

    Args:
        body (EstimateRequest): Two deployments for the same traffic: so many sequences decoded at
            once.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Estimate | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
