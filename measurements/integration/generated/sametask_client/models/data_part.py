from __future__ import annotations

from collections.abc import Mapping
from typing import (
    Any,
    Literal,
    Self,
    TypeVar,
    cast,
)

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="DataPart")


@_attrs_define
class DataPart:
    """
    Attributes:
        data (Any): any JSON value
        kind (Literal['data'] | Unset):  Default: 'data'.
    """

    data: Any
    kind: Literal["data"] | Unset = "data"

    def to_dict(self) -> dict[str, Any]:
        data = self.data

        kind = self.kind

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "data": data,
            }
        )
        if kind is not UNSET:
            field_dict["kind"] = kind

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        data = d.pop("data")

        kind = cast(Literal["data"] | Unset, d.pop("kind", UNSET))
        if kind != "data" and not isinstance(kind, Unset):
            raise ValueError(f"kind must match const 'data', got '{kind}'")

        data_part = cls(
            data=data,
            kind=kind,
        )

        return data_part
