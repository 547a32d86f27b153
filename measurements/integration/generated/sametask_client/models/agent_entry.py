from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.skill_entry import SkillEntry


T = TypeVar("T", bound="AgentEntry")


@_attrs_define
class AgentEntry:
    """
    Attributes:
        name (str):
        description (str):
        version (str):
        skills (list[SkillEntry]):
    """

    name: str
    description: str
    version: str
    skills: list[SkillEntry]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        description = self.description

        version = self.version

        skills = []
        for skills_item_data in self.skills:
            skills_item = skills_item_data.to_dict()
            skills.append(skills_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "description": description,
                "version": version,
                "skills": skills,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.skill_entry import SkillEntry

        d = dict(src_dict)
        name = d.pop("name")

        description = d.pop("description")

        version = d.pop("version")

        skills = []
        _skills = d.pop("skills")
        for skills_item_data in _skills:
            skills_item = SkillEntry.from_dict(skills_item_data)

            skills.append(skills_item)

        agent_entry = cls(
            name=name,
            description=description,
            version=version,
            skills=skills,
        )

        agent_entry.additional_properties = d
        return agent_entry

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
