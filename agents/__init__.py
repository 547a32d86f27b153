"""What is done: the contract an agent is written against, the runtime that runs its tasks, and the bundled team."""

from .contract import Agent, Origin, Question, Roster, Skill, TaskContext
from .engine import TaskEngine
from .errors import Rejected, SametaskError
from .events import Artifact, DataPart, Event, FilePart, Task, TaskState, TextPart

__all__ = [
    "Agent", "Artifact", "DataPart", "Event", "FilePart", "Origin", "Question", "Rejected", "Roster", "SametaskError",
    "Skill", "Task", "TaskContext", "TaskEngine", "TaskState", "TextPart",
]  # fmt: skip
