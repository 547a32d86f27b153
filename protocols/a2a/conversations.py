"""What A2A keeps about a task and the engine does not: its context id and the messages that were exchanged about it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from a2a.types import Message

TASK_COUNT = 4096
MESSAGE_COUNT = 64
MESSAGE_BYTES = 16 * 2**10


@dataclass
class Conversation:
    context_id: str
    history: list[Message] = field(default_factory=list[Message])

    def add(self, message: Message, task_id: str) -> None:
        """Keep a copy of the message. A large one is left out: every answer about the task would carry it again
        (A2A 1.0 section 3.2.4 leaves the length of the history to the server).
        """
        if message.ByteSize() <= MESSAGE_BYTES:
            kept = Message()
            kept.CopyFrom(message)
            kept.task_id, kept.context_id = task_id, self.context_id
            self.history.append(kept)
            del self.history[:-MESSAGE_COUNT]


class Conversations:
    """The newest `TASK_COUNT` of this process. A task that is not among them has its own id as context, and no history."""

    def __init__(self) -> None:
        self._by_task: OrderedDict[str, Conversation] = OrderedDict()

    def begin(self, task_id: str, context_id: str) -> Conversation:
        """The task's conversation, in the client's context where it named one; one that has begun stays as it is."""
        if task_id not in self._by_task:
            self._by_task[task_id] = Conversation(context_id or task_id)
            if len(self._by_task) > TASK_COUNT:
                self._by_task.popitem(last=False)
        return self._by_task[task_id]

    def of(self, task_id: str) -> Conversation:
        return self._by_task.get(task_id) or Conversation(task_id)

    def knows(self, task_id: str) -> bool:
        return task_id in self._by_task
