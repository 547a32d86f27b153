# pyright: reportUnusedImport=false, reportMissingTypeStubs=false, reportInvalidTypeForm=false
from . import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlanRequest(_message.Message):
    __slots__ = ("layers", "kv_heads", "head_dim", "dtype", "tensor_parallel", "block_tokens", "memory_bytes", "sequence_tokens")
    class Dtype(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DTYPE_UNSPECIFIED: _ClassVar[PlanRequest.Dtype]
        DTYPE_FLOAT32: _ClassVar[PlanRequest.Dtype]
        DTYPE_FLOAT16: _ClassVar[PlanRequest.Dtype]
        DTYPE_BFLOAT16: _ClassVar[PlanRequest.Dtype]
        DTYPE_FP8: _ClassVar[PlanRequest.Dtype]
        DTYPE_INT8: _ClassVar[PlanRequest.Dtype]
    DTYPE_UNSPECIFIED: PlanRequest.Dtype
    DTYPE_FLOAT32: PlanRequest.Dtype
    DTYPE_FLOAT16: PlanRequest.Dtype
    DTYPE_BFLOAT16: PlanRequest.Dtype
    DTYPE_FP8: PlanRequest.Dtype
    DTYPE_INT8: PlanRequest.Dtype
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    KV_HEADS_FIELD_NUMBER: _ClassVar[int]
    HEAD_DIM_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    TENSOR_PARALLEL_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    layers: int
    kv_heads: int
    head_dim: int
    dtype: PlanRequest.Dtype
    tensor_parallel: int
    block_tokens: int
    memory_bytes: int
    sequence_tokens: int
    def __init__(self, layers: _Optional[int] = ..., kv_heads: _Optional[int] = ..., head_dim: _Optional[int] = ..., dtype: _Optional[_Union[PlanRequest.Dtype, str]] = ..., tensor_parallel: _Optional[int] = ..., block_tokens: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., sequence_tokens: _Optional[int] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("bytes_per_token", "bytes_per_block", "blocks", "context_tokens", "unused_bytes", "sequences")
    BYTES_PER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_BLOCK_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    UNUSED_BYTES_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    bytes_per_token: int
    bytes_per_block: int
    blocks: int
    context_tokens: int
    unused_bytes: int
    sequences: int
    def __init__(self, bytes_per_token: _Optional[int] = ..., bytes_per_block: _Optional[int] = ..., blocks: _Optional[int] = ..., context_tokens: _Optional[int] = ..., unused_bytes: _Optional[int] = ..., sequences: _Optional[int] = ...) -> None: ...

class TraceRequest(_message.Message):
    __slots__ = ("timestamp", "input_length", "output_length", "hash_ids")
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    INPUT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    HASH_IDS_FIELD_NUMBER: _ClassVar[int]
    timestamp: int
    input_length: int
    output_length: int
    hash_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, timestamp: _Optional[int] = ..., input_length: _Optional[int] = ..., output_length: _Optional[int] = ..., hash_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class SyntheticTrace(_message.Message):
    __slots__ = ("seed", "request_count", "mean_turns", "mean_turn_tokens", "mean_output_tokens", "max_context_tokens", "system_prompt_count", "system_prompt_tokens", "mean_interval_ms", "open_conversations")
    SEED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_TURNS_FIELD_NUMBER: _ClassVar[int]
    MEAN_TURN_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MEAN_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MEAN_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    OPEN_CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    seed: int
    request_count: int
    mean_turns: float
    mean_turn_tokens: int
    mean_output_tokens: int
    max_context_tokens: int
    system_prompt_count: int
    system_prompt_tokens: int
    mean_interval_ms: float
    open_conversations: int
    def __init__(self, seed: _Optional[int] = ..., request_count: _Optional[int] = ..., mean_turns: _Optional[float] = ..., mean_turn_tokens: _Optional[int] = ..., mean_output_tokens: _Optional[int] = ..., max_context_tokens: _Optional[int] = ..., system_prompt_count: _Optional[int] = ..., system_prompt_tokens: _Optional[int] = ..., mean_interval_ms: _Optional[float] = ..., open_conversations: _Optional[int] = ...) -> None: ...

class SimulateRequest(_message.Message):
    __slots__ = ("requests", "synthetic", "block_tokens", "capacity_blocks", "partial_blocks", "ms_per_output_token", "slice_requests", "confirm")
    class PartialBlocks(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PARTIAL_BLOCKS_UNSPECIFIED: _ClassVar[SimulateRequest.PartialBlocks]
        PARTIAL_BLOCKS_CACHED: _ClassVar[SimulateRequest.PartialBlocks]
        PARTIAL_BLOCKS_NEVER_CACHED: _ClassVar[SimulateRequest.PartialBlocks]
    PARTIAL_BLOCKS_UNSPECIFIED: SimulateRequest.PartialBlocks
    PARTIAL_BLOCKS_CACHED: SimulateRequest.PartialBlocks
    PARTIAL_BLOCKS_NEVER_CACHED: SimulateRequest.PartialBlocks
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    MS_PER_OUTPUT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SLICE_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[TraceRequest]
    synthetic: SyntheticTrace
    block_tokens: int
    capacity_blocks: int
    partial_blocks: SimulateRequest.PartialBlocks
    ms_per_output_token: float
    slice_requests: int
    confirm: bool
    def __init__(self, requests: _Optional[_Iterable[_Union[TraceRequest, _Mapping[str, object]]]] = ..., synthetic: _Optional[_Union[SyntheticTrace, _Mapping[str, object]]] = ..., block_tokens: _Optional[int] = ..., capacity_blocks: _Optional[int] = ..., partial_blocks: _Optional[_Union[SimulateRequest.PartialBlocks, str]] = ..., ms_per_output_token: _Optional[float] = ..., slice_requests: _Optional[int] = ..., confirm: _Optional[bool] = ...) -> None: ...

class Capacity(_message.Message):
    __slots__ = ("choice",)
    class Choice(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CHOICE_UNSPECIFIED: _ClassVar[Capacity.Choice]
        CHOICE_EVICT: _ClassVar[Capacity.Choice]
        CHOICE_GROW: _ClassVar[Capacity.Choice]
    CHOICE_UNSPECIFIED: Capacity.Choice
    CHOICE_EVICT: Capacity.Choice
    CHOICE_GROW: Capacity.Choice
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    choice: Capacity.Choice
    def __init__(self, choice: _Optional[_Union[Capacity.Choice, str]] = ...) -> None: ...

class HitRatePoint(_message.Message):
    __slots__ = ("requests", "timestamp_ms", "slice_hit_rate", "hit_rate", "saved_tokens", "cached_blocks", "evicted_blocks")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    SLICE_HIT_RATE_FIELD_NUMBER: _ClassVar[int]
    HIT_RATE_FIELD_NUMBER: _ClassVar[int]
    SAVED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    EVICTED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    requests: int
    timestamp_ms: int
    slice_hit_rate: float
    hit_rate: float
    saved_tokens: int
    cached_blocks: int
    evicted_blocks: int
    def __init__(self, requests: _Optional[int] = ..., timestamp_ms: _Optional[int] = ..., slice_hit_rate: _Optional[float] = ..., hit_rate: _Optional[float] = ..., saved_tokens: _Optional[int] = ..., cached_blocks: _Optional[int] = ..., evicted_blocks: _Optional[int] = ...) -> None: ...

class CacheReport(_message.Message):
    __slots__ = ("requests", "blocks", "hit_blocks", "missed_blocks", "block_hit_rate", "prompt_tokens", "saved_tokens", "token_hit_rate", "output_tokens", "distinct_blocks", "capacity_blocks", "peak_blocks", "evicted_blocks", "uncached_blocks", "delayed_requests", "points")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    HIT_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    MISSED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HIT_RATE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SAVED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_HIT_RATE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    PEAK_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    EVICTED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    UNCACHED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    DELAYED_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    requests: int
    blocks: int
    hit_blocks: int
    missed_blocks: int
    block_hit_rate: float
    prompt_tokens: int
    saved_tokens: int
    token_hit_rate: float
    output_tokens: int
    distinct_blocks: int
    capacity_blocks: int
    peak_blocks: int
    evicted_blocks: int
    uncached_blocks: int
    delayed_requests: int
    points: _containers.RepeatedCompositeFieldContainer[HitRatePoint]
    def __init__(self, requests: _Optional[int] = ..., blocks: _Optional[int] = ..., hit_blocks: _Optional[int] = ..., missed_blocks: _Optional[int] = ..., block_hit_rate: _Optional[float] = ..., prompt_tokens: _Optional[int] = ..., saved_tokens: _Optional[int] = ..., token_hit_rate: _Optional[float] = ..., output_tokens: _Optional[int] = ..., distinct_blocks: _Optional[int] = ..., capacity_blocks: _Optional[int] = ..., peak_blocks: _Optional[int] = ..., evicted_blocks: _Optional[int] = ..., uncached_blocks: _Optional[int] = ..., delayed_requests: _Optional[int] = ..., points: _Optional[_Iterable[_Union[HitRatePoint, _Mapping[str, object]]]] = ...) -> None: ...
