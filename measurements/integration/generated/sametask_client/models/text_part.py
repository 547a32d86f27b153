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

T = TypeVar("T", bound="TextPart")


@_attrs_define
class TextPart:
    """
    Attributes:
        text (str):
        kind (Literal['text'] | Unset):  Default: 'text'.
    """

    text: str
    kind: Literal["text"] | Unset = "text"

    def to_dict(self) -> dict[str, Any]:
        text = self.text

        kind = self.kind

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "text": text,
            }
        )
        if kind is not UNSET:
            field_dict["kind"] = kind

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        text = d.pop("text")

        kind = cast(Literal["text"] | Unset, d.pop("kind", UNSET))
        if kind != "text" and not isinstance(kind, Unset):
            raise ValueError(f"kind must match const 'text', got '{kind}'")

        text_part = cls(
            text=text,
            kind=kind,
        )

        return text_part
