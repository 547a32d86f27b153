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

T = TypeVar("T", bound="FilePart")


@_attrs_define
class FilePart:
    """
    Attributes:
        name (str):
        kind (Literal['file'] | Unset):  Default: 'file'.
        media_type (str | Unset):  Default: 'application/octet-stream'.
        base64 (None | str | Unset): the bytes, base64 (RFC 4648); or null, with a url
        url (None | str | Unset):
    """

    name: str
    kind: Literal["file"] | Unset = "file"
    media_type: str | Unset = "application/octet-stream"
    base64: None | str | Unset = UNSET
    url: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        kind = self.kind

        media_type = self.media_type

        base64: None | str | Unset
        if isinstance(self.base64, Unset):
            base64 = UNSET
        else:
            base64 = self.base64

        url: None | str | Unset
        if isinstance(self.url, Unset):
            url = UNSET
        else:
            url = self.url

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "name": name,
            }
        )
        if kind is not UNSET:
            field_dict["kind"] = kind
        if media_type is not UNSET:
            field_dict["media_type"] = media_type
        if base64 is not UNSET:
            field_dict["base64"] = base64
        if url is not UNSET:
            field_dict["url"] = url

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        name = d.pop("name")

        kind = cast(Literal["file"] | Unset, d.pop("kind", UNSET))
        if kind != "file" and not isinstance(kind, Unset):
            raise ValueError(f"kind must match const 'file', got '{kind}'")

        media_type = d.pop("media_type", UNSET)

        def _parse_base64(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        base64 = _parse_base64(d.pop("base64", UNSET))

        def _parse_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        url = _parse_url(d.pop("url", UNSET))

        file_part = cls(
            name=name,
            kind=kind,
            media_type=media_type,
            base64=base64,
            url=url,
        )

        return file_part
