"""What is done: the contract an agent is written against, the runtime that runs its tasks, and the bundled team."""

from typing import TYPE_CHECKING

from .lazy import imported_when_asked_for

if TYPE_CHECKING:
    from .contract import Agent, Limits, Origin, Question, Retry, Roster, Skill, TaskContext
    from .engine import TaskEngine
    from .errors import Rejected, SametaskError
    from .events import Artifact, DataPart, Event, FilePart, Task, TaskState, TextPart

__all__ = [
    "Agent", "Artifact", "DataPart", "Event", "FilePart", "Limits", "Origin", "Question", "Rejected", "Retry", "Roster",
    "SametaskError", "Skill", "Task", "TaskContext", "TaskEngine", "TaskState", "TextPart",
]  # fmt: skip

# pydantic takes longer to import than a host should wait for the first answer of `sametask mcp`.
__getattr__ = imported_when_asked_for(
    __name__,
    {
        "contract": ["Agent", "Limits", "Origin", "Question", "Retry", "Roster", "Skill", "TaskContext"],
        "engine": ["TaskEngine"],
        "errors": ["Rejected", "SametaskError"],
        "events": ["Artifact", "DataPart", "Event", "FilePart", "Task", "TaskState", "TextPart"],
    },
)
