from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.task_state import TaskState
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.artifact import Artifact
    from ..models.error_info import ErrorInfo
    from ..models.open_question import OpenQuestion
    from ..models.progress import Progress
    from ..models.tuned import Tuned


T = TypeVar("T", bound="ModelRouterTuneTask")


@_attrs_define
class ModelRouterTuneTask:
    """A task of model_router.tune.

    Attributes:
        id (str):
        state (TaskState):
        agent (str | Unset):  Default: ''.
        skill (str | Unset):  Default: ''.
        result (None | Tuned | Unset):
        error (ErrorInfo | None | Unset):
        question (None | OpenQuestion | Unset):
        progress (None | Progress | Unset):
        artifacts (list[Artifact] | Unset):
        created_at (float | Unset):  Default: 0.0.
        updated_at (float | Unset):  Default: 0.0.
        last_seq (int | Unset):  Default: 0.
    """

    id: str
    state: TaskState
    agent: str | Unset = ""
    skill: str | Unset = ""
    result: None | Tuned | Unset = UNSET
    error: ErrorInfo | None | Unset = UNSET
    question: None | OpenQuestion | Unset = UNSET
    progress: None | Progress | Unset = UNSET
    artifacts: list[Artifact] | Unset = UNSET
    created_at: float | Unset = 0.0
    updated_at: float | Unset = 0.0
    last_seq: int | Unset = 0

    def to_dict(self) -> dict[str, Any]:
        from ..models.error_info import ErrorInfo
        from ..models.open_question import OpenQuestion
        from ..models.progress import Progress
        from ..models.tuned import Tuned

        id = self.id

        state = self.state.value

        agent = self.agent

        skill = self.skill

        result: dict[str, Any] | None | Unset
        if isinstance(self.result, Unset):
            result = UNSET
        elif isinstance(self.result, Tuned):
            result = self.result.to_dict()
        else:
            result = self.result

        error: dict[str, Any] | None | Unset
        if isinstance(self.error, Unset):
            error = UNSET
        elif isinstance(self.error, ErrorInfo):
            error = self.error.to_dict()
        else:
            error = self.error

        question: dict[str, Any] | None | Unset
        if isinstance(self.question, Unset):
            question = UNSET
        elif isinstance(self.question, OpenQuestion):
            question = self.question.to_dict()
        else:
            question = self.question

        progress: dict[str, Any] | None | Unset
        if isinstance(self.progress, Unset):
            progress = UNSET
        elif isinstance(self.progress, Progress):
            progress = self.progress.to_dict()
        else:
            progress = self.progress

        artifacts: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.artifacts, Unset):
            artifacts = []
            for artifacts_item_data in self.artifacts:
                artifacts_item = artifacts_item_data.to_dict()
                artifacts.append(artifacts_item)

        created_at = self.created_at

        updated_at = self.updated_at

        last_seq = self.last_seq

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "id": id,
                "state": state,
            }
        )
        if agent is not UNSET:
            field_dict["agent"] = agent
        if skill is not UNSET:
            field_dict["skill"] = skill
        if result is not UNSET:
            field_dict["result"] = result
        if error is not UNSET:
            field_dict["error"] = error
        if question is not UNSET:
            field_dict["question"] = question
        if progress is not UNSET:
            field_dict["progress"] = progress
        if artifacts is not UNSET:
            field_dict["artifacts"] = artifacts
        if created_at is not UNSET:
            field_dict["created_at"] = created_at
        if updated_at is not UNSET:
            field_dict["updated_at"] = updated_at
        if last_seq is not UNSET:
            field_dict["last_seq"] = last_seq

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.artifact import Artifact
        from ..models.error_info import ErrorInfo
        from ..models.open_question import OpenQuestion
        from ..models.progress import Progress
        from ..models.tuned import Tuned

        d = dict(src_dict)
        id = d.pop("id")

        state = TaskState(d.pop("state"))

        agent = d.pop("agent", UNSET)

        skill = d.pop("skill", UNSET)

        def _parse_result(data: object) -> None | Tuned | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                result_type_0 = Tuned.from_dict(data)

                return result_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Tuned | Unset, data)

        result = _parse_result(d.pop("result", UNSET))

        def _parse_error(data: object) -> ErrorInfo | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_0 = ErrorInfo.from_dict(data)

                return error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ErrorInfo | None | Unset, data)

        error = _parse_error(d.pop("error", UNSET))

        def _parse_question(data: object) -> None | OpenQuestion | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                question_type_0 = OpenQuestion.from_dict(data)

                return question_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | OpenQuestion | Unset, data)

        question = _parse_question(d.pop("question", UNSET))

        def _parse_progress(data: object) -> None | Progress | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                progress_type_0 = Progress.from_dict(data)

                return progress_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Progress | Unset, data)

        progress = _parse_progress(d.pop("progress", UNSET))

        _artifacts = d.pop("artifacts", UNSET)
        artifacts: list[Artifact] | Unset = UNSET
        if _artifacts is not UNSET:
            artifacts = []
            for artifacts_item_data in _artifacts:
                artifacts_item = Artifact.from_dict(artifacts_item_data)

                artifacts.append(artifacts_item)

        created_at = d.pop("created_at", UNSET)

        updated_at = d.pop("updated_at", UNSET)

        last_seq = d.pop("last_seq", UNSET)

        model_router_tune_task = cls(
            id=id,
            state=state,
            agent=agent,
            skill=skill,
            result=result,
            error=error,
            question=question,
            progress=progress,
            artifacts=artifacts,
            created_at=created_at,
            updated_at=updated_at,
            last_seq=last_seq,
        )

        return model_router_tune_task
