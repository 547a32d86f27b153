from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.simulate_request_partial_blocks import SimulateRequestPartialBlocks
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.synthetic_trace import SyntheticTrace
    from ..models.trace_request import TraceRequest


T = TypeVar("T", bound="SimulateRequest")


@_attrs_define
class SimulateRequest:
    """A trace, given in `requests` or made from `synthetic` (exactly one of them), and the cache to replay it through.

    Attributes:
        requests (list[TraceRequest] | Unset): the trace in order of arrival, up to 2000000 requests; empty where
            synthetic is given
        synthetic (None | SyntheticTrace | Unset): a trace to be made up; null where requests are given
        block_tokens (int | Unset): tokens in one block, 1 to 65536; published traces use 512 Default: 512.
        capacity_blocks (int | None | Unset): blocks the cache holds, count, 1 to 2^53-1; null: unlimited
        partial_blocks (SimulateRequestPartialBlocks | Unset): what becomes of a prompt's partial last block: cached
            under its published id, as Mooncake's hit rate counts it, or never_cached, as vLLM does; it counts as a block of
            the prompt either way Default: SimulateRequestPartialBlocks.CACHED.
        ms_per_output_token (float | Unset): time a request takes for one token of its answer, milliseconds, 0 to 10^6;
            its blocks stay in use that long; 0: one request at a time Default: 0.0.
        slice_requests (int | Unset): requests between two points, recorded steps and progress events, count, 1 to
            1000000 Default: 1000.
        confirm (bool | Unset): true: ask before simulating where the distinct blocks exceed capacity_blocks; false:
            evict unasked Default: False.
    """

    requests: list[TraceRequest] | Unset = UNSET
    synthetic: None | SyntheticTrace | Unset = UNSET
    block_tokens: int | Unset = 512
    capacity_blocks: int | None | Unset = UNSET
    partial_blocks: SimulateRequestPartialBlocks | Unset = (
        SimulateRequestPartialBlocks.CACHED
    )
    ms_per_output_token: float | Unset = 0.0
    slice_requests: int | Unset = 1000
    confirm: bool | Unset = False

    def to_dict(self) -> dict[str, Any]:
        from ..models.synthetic_trace import SyntheticTrace

        requests: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.requests, Unset):
            requests = []
            for requests_item_data in self.requests:
                requests_item = requests_item_data.to_dict()
                requests.append(requests_item)

        synthetic: dict[str, Any] | None | Unset
        if isinstance(self.synthetic, Unset):
            synthetic = UNSET
        elif isinstance(self.synthetic, SyntheticTrace):
            synthetic = self.synthetic.to_dict()
        else:
            synthetic = self.synthetic

        block_tokens = self.block_tokens

        capacity_blocks: int | None | Unset
        if isinstance(self.capacity_blocks, Unset):
            capacity_blocks = UNSET
        else:
            capacity_blocks = self.capacity_blocks

        partial_blocks: str | Unset = UNSET
        if not isinstance(self.partial_blocks, Unset):
            partial_blocks = self.partial_blocks.value

        ms_per_output_token = self.ms_per_output_token

        slice_requests = self.slice_requests

        confirm = self.confirm

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if requests is not UNSET:
            field_dict["requests"] = requests
        if synthetic is not UNSET:
            field_dict["synthetic"] = synthetic
        if block_tokens is not UNSET:
            field_dict["block_tokens"] = block_tokens
        if capacity_blocks is not UNSET:
            field_dict["capacity_blocks"] = capacity_blocks
        if partial_blocks is not UNSET:
            field_dict["partial_blocks"] = partial_blocks
        if ms_per_output_token is not UNSET:
            field_dict["ms_per_output_token"] = ms_per_output_token
        if slice_requests is not UNSET:
            field_dict["slice_requests"] = slice_requests
        if confirm is not UNSET:
            field_dict["confirm"] = confirm

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.synthetic_trace import SyntheticTrace
        from ..models.trace_request import TraceRequest

        d = dict(src_dict)
        _requests = d.pop("requests", UNSET)
        requests: list[TraceRequest] | Unset = UNSET
        if _requests is not UNSET:
            requests = []
            for requests_item_data in _requests:
                requests_item = TraceRequest.from_dict(requests_item_data)

                requests.append(requests_item)

        def _parse_synthetic(data: object) -> None | SyntheticTrace | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                synthetic_type_0 = SyntheticTrace.from_dict(data)

                return synthetic_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | SyntheticTrace | Unset, data)

        synthetic = _parse_synthetic(d.pop("synthetic", UNSET))

        block_tokens = d.pop("block_tokens", UNSET)

        def _parse_capacity_blocks(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        capacity_blocks = _parse_capacity_blocks(d.pop("capacity_blocks", UNSET))

        _partial_blocks = d.pop("partial_blocks", UNSET)
        partial_blocks: SimulateRequestPartialBlocks | Unset
        if isinstance(_partial_blocks, Unset):
            partial_blocks = UNSET
        else:
            partial_blocks = SimulateRequestPartialBlocks(_partial_blocks)

        ms_per_output_token = d.pop("ms_per_output_token", UNSET)

        slice_requests = d.pop("slice_requests", UNSET)

        confirm = d.pop("confirm", UNSET)

        simulate_request = cls(
            requests=requests,
            synthetic=synthetic,
            block_tokens=block_tokens,
            capacity_blocks=capacity_blocks,
            partial_blocks=partial_blocks,
            ms_per_output_token=ms_per_output_token,
            slice_requests=slice_requests,
            confirm=confirm,
        )

        return simulate_request
