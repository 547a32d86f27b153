from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.data_part import DataPart
    from ..models.file_part import FilePart
    from ..models.text_part import TextPart


T = TypeVar("T", bound="Artifact")


@_attrs_define
class Artifact:
    """A named list of parts, whole or in chunks (A2A 1.0 section 4.1.7): chunks of one `name` are appended in order.

    Attributes:
        name (str):
        parts (list[DataPart | FilePart | TextPart]):
        append (bool | Unset): true: these parts follow those already sent under this name Default: False.
        last (bool | Unset): false: more chunks of this name follow Default: True.
    """

    name: str
    parts: list[DataPart | FilePart | TextPart]
    append: bool | Unset = False
    last: bool | Unset = True

    def to_dict(self) -> dict[str, Any]:
        from ..models.data_part import DataPart
        from ..models.text_part import TextPart

        name = self.name

        parts = []
        for parts_item_data in self.parts:
            parts_item: dict[str, Any]
            if isinstance(parts_item_data, TextPart) or isinstance(
                parts_item_data, DataPart
            ):
                parts_item = parts_item_data.to_dict()
            else:
                parts_item = parts_item_data.to_dict()

            parts.append(parts_item)

        append = self.append

        last = self.last

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "name": name,
                "parts": parts,
            }
        )
        if append is not UNSET:
            field_dict["append"] = append
        if last is not UNSET:
            field_dict["last"] = last

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.data_part import DataPart
        from ..models.file_part import FilePart
        from ..models.text_part import TextPart

        d = dict(src_dict)
        name = d.pop("name")

        parts = []
        _parts = d.pop("parts")
        for parts_item_data in _parts:

            def _parse_parts_item(data: object) -> DataPart | FilePart | TextPart:
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    parts_item_type_0 = TextPart.from_dict(data)

                    return parts_item_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    parts_item_type_1 = DataPart.from_dict(data)

                    return parts_item_type_1
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                if not isinstance(data, dict):
                    raise TypeError()
                parts_item_type_2 = FilePart.from_dict(data)

                return parts_item_type_2

            parts_item = _parse_parts_item(parts_item_data)

            parts.append(parts_item)

        append = d.pop("append", UNSET)

        last = d.pop("last", UNSET)

        artifact = cls(
            name=name,
            parts=parts,
            append=append,
            last=last,
        )

        return artifact
