# pyright: reportUnusedImport=false, reportMissingTypeStubs=false, reportInvalidTypeForm=false
from . import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Bound(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BOUND_UNSPECIFIED: _ClassVar[Bound]
    BOUND_MEMORY: _ClassVar[Bound]
    BOUND_COMPUTE: _ClassVar[Bound]

class Winner(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WINNER_UNSPECIFIED: _ClassVar[Winner]
    WINNER_MOE: _ClassVar[Winner]
    WINNER_DENSE: _ClassVar[Winner]
    WINNER_TIE: _ClassVar[Winner]
BOUND_UNSPECIFIED: Bound
BOUND_MEMORY: Bound
BOUND_COMPUTE: Bound
WINNER_UNSPECIFIED: Winner
WINNER_MOE: Winner
WINNER_DENSE: Winner
WINNER_TIE: Winner

class MoeModel(_message.Message):
    __slots__ = ("total_params", "active_params", "experts", "experts_per_token", "imbalance", "gpus", "kv_bytes_per_sequence", "step_overhead_ms")
    TOTAL_PARAMS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_PARAMS_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_PER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    IMBALANCE_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    KV_BYTES_PER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STEP_OVERHEAD_MS_FIELD_NUMBER: _ClassVar[int]
    total_params: float
    active_params: float
    experts: int
    experts_per_token: int
    imbalance: float
    gpus: int
    kv_bytes_per_sequence: float
    step_overhead_ms: float
    def __init__(self, total_params: _Optional[float] = ..., active_params: _Optional[float] = ..., experts: _Optional[int] = ..., experts_per_token: _Optional[int] = ..., imbalance: _Optional[float] = ..., gpus: _Optional[int] = ..., kv_bytes_per_sequence: _Optional[float] = ..., step_overhead_ms: _Optional[float] = ...) -> None: ...

class DenseModel(_message.Message):
    __slots__ = ("params", "gpus", "kv_bytes_per_sequence", "step_overhead_ms")
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    KV_BYTES_PER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STEP_OVERHEAD_MS_FIELD_NUMBER: _ClassVar[int]
    params: float
    gpus: int
    kv_bytes_per_sequence: float
    step_overhead_ms: float
    def __init__(self, params: _Optional[float] = ..., gpus: _Optional[int] = ..., kv_bytes_per_sequence: _Optional[float] = ..., step_overhead_ms: _Optional[float] = ...) -> None: ...

class Gpu(_message.Message):
    __slots__ = ("memory_bandwidth_bytes_per_s", "flops_per_s", "memory_bytes", "price_per_hour")
    MEMORY_BANDWIDTH_BYTES_PER_S_FIELD_NUMBER: _ClassVar[int]
    FLOPS_PER_S_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PRICE_PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    memory_bandwidth_bytes_per_s: float
    flops_per_s: float
    memory_bytes: float
    price_per_hour: float
    def __init__(self, memory_bandwidth_bytes_per_s: _Optional[float] = ..., flops_per_s: _Optional[float] = ..., memory_bytes: _Optional[float] = ..., price_per_hour: _Optional[float] = ...) -> None: ...

class EstimateRequest(_message.Message):
    __slots__ = ("moe", "dense", "gpu", "bytes_per_param", "concurrency", "max_concurrency")
    MOE_FIELD_NUMBER: _ClassVar[int]
    DENSE_FIELD_NUMBER: _ClassVar[int]
    GPU_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_PARAM_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    moe: MoeModel
    dense: DenseModel
    gpu: Gpu
    bytes_per_param: float
    concurrency: float
    max_concurrency: float
    def __init__(self, moe: _Optional[_Union[MoeModel, _Mapping[str, object]]] = ..., dense: _Optional[_Union[DenseModel, _Mapping[str, object]]] = ..., gpu: _Optional[_Union[Gpu, _Mapping[str, object]]] = ..., bytes_per_param: _Optional[float] = ..., concurrency: _Optional[float] = ..., max_concurrency: _Optional[float] = ...) -> None: ...

class Terms(_message.Message):
    __slots__ = ("memory_ms", "compute_ms", "overhead_ms", "step_ms", "bound", "weight_bytes", "flops", "arithmetic_intensity", "tokens_per_s", "tokens_per_dollar", "cost_per_million_tokens")
    MEMORY_MS_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_MS_FIELD_NUMBER: _ClassVar[int]
    OVERHEAD_MS_FIELD_NUMBER: _ClassVar[int]
    STEP_MS_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    ARITHMETIC_INTENSITY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_S_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_DOLLAR_FIELD_NUMBER: _ClassVar[int]
    COST_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    memory_ms: float
    compute_ms: float
    overhead_ms: float
    step_ms: float
    bound: Bound
    weight_bytes: float
    flops: float
    arithmetic_intensity: float
    tokens_per_s: float
    tokens_per_dollar: float
    cost_per_million_tokens: float
    def __init__(self, memory_ms: _Optional[float] = ..., compute_ms: _Optional[float] = ..., overhead_ms: _Optional[float] = ..., step_ms: _Optional[float] = ..., bound: _Optional[_Union[Bound, str]] = ..., weight_bytes: _Optional[float] = ..., flops: _Optional[float] = ..., arithmetic_intensity: _Optional[float] = ..., tokens_per_s: _Optional[float] = ..., tokens_per_dollar: _Optional[float] = ..., cost_per_million_tokens: _Optional[float] = ...) -> None: ...

class Crossing(_message.Message):
    __slots__ = ("concurrency", "cost_per_million_tokens", "tokens_per_s", "cheaper_above")
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    COST_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_S_FIELD_NUMBER: _ClassVar[int]
    CHEAPER_ABOVE_FIELD_NUMBER: _ClassVar[int]
    concurrency: float
    cost_per_million_tokens: float
    tokens_per_s: float
    cheaper_above: Winner
    def __init__(self, concurrency: _Optional[float] = ..., cost_per_million_tokens: _Optional[float] = ..., tokens_per_s: _Optional[float] = ..., cheaper_above: _Optional[_Union[Winner, str]] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("cheaper", "cost_ratio", "moe", "dense", "expected_experts", "active_fraction", "imbalance_penalty_ms", "ridge_flops_per_byte", "break_even_concurrency", "cheaper_below", "cheaper_above", "crossings", "reason")
    CHEAPER_FIELD_NUMBER: _ClassVar[int]
    COST_RATIO_FIELD_NUMBER: _ClassVar[int]
    MOE_FIELD_NUMBER: _ClassVar[int]
    DENSE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_EXPERTS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    IMBALANCE_PENALTY_MS_FIELD_NUMBER: _ClassVar[int]
    RIDGE_FLOPS_PER_BYTE_FIELD_NUMBER: _ClassVar[int]
    BREAK_EVEN_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    CHEAPER_BELOW_FIELD_NUMBER: _ClassVar[int]
    CHEAPER_ABOVE_FIELD_NUMBER: _ClassVar[int]
    CROSSINGS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    cheaper: Winner
    cost_ratio: float
    moe: Terms
    dense: Terms
    expected_experts: float
    active_fraction: float
    imbalance_penalty_ms: float
    ridge_flops_per_byte: float
    break_even_concurrency: float
    cheaper_below: Winner
    cheaper_above: Winner
    crossings: _containers.RepeatedCompositeFieldContainer[Crossing]
    reason: str
    def __init__(self, cheaper: _Optional[_Union[Winner, str]] = ..., cost_ratio: _Optional[float] = ..., moe: _Optional[_Union[Terms, _Mapping[str, object]]] = ..., dense: _Optional[_Union[Terms, _Mapping[str, object]]] = ..., expected_experts: _Optional[float] = ..., active_fraction: _Optional[float] = ..., imbalance_penalty_ms: _Optional[float] = ..., ridge_flops_per_byte: _Optional[float] = ..., break_even_concurrency: _Optional[float] = ..., cheaper_below: _Optional[_Union[Winner, str]] = ..., cheaper_above: _Optional[_Union[Winner, str]] = ..., crossings: _Optional[_Iterable[_Union[Crossing, _Mapping[str, object]]]] = ..., reason: _Optional[str] = ...) -> None: ...
