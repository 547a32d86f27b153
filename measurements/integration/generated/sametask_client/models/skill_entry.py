from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.skill_entry_input_schema import SkillEntryInputSchema
    from ..models.skill_entry_output_schema import SkillEntryOutputSchema


T = TypeVar("T", bound="SkillEntry")


@_attrs_define
class SkillEntry:
    """A skill, and where it is done. A long one answers `202` with a task; schemas are JSON Schema 2020-12.

    Attributes:
        name (str):
        description (str):
        long (bool):
        path (str):
        input_schema (SkillEntryInputSchema):
        output_schema (SkillEntryOutputSchema):
    """

    name: str
    description: str
    long: bool
    path: str
    input_schema: SkillEntryInputSchema
    output_schema: SkillEntryOutputSchema
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        description = self.description

        long = self.long

        path = self.path

        input_schema = self.input_schema.to_dict()

        output_schema = self.output_schema.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "description": description,
                "long": long,
                "path": path,
                "input_schema": input_schema,
                "output_schema": output_schema,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.skill_entry_input_schema import SkillEntryInputSchema
        from ..models.skill_entry_output_schema import SkillEntryOutputSchema

        d = dict(src_dict)
        name = d.pop("name")

        description = d.pop("description")

        long = d.pop("long")

        path = d.pop("path")

        input_schema = SkillEntryInputSchema.from_dict(d.pop("input_schema"))

        output_schema = SkillEntryOutputSchema.from_dict(d.pop("output_schema"))

        skill_entry = cls(
            name=name,
            description=description,
            long=long,
            path=path,
            input_schema=input_schema,
            output_schema=output_schema,
        )

        skill_entry.additional_properties = d
        return skill_entry

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
