"""An agent that does what the bundled ones never do: raise, decline, and hand out many artifacts of every kind."""

from pydantic import BaseModel, Field
from sametask.agents import Agent, Artifact, DataPart, FilePart, Rejected, TaskContext, TextPart

agent = Agent("trial", description="Raises, declines and hands out artifacts.")


class Text(BaseModel):
    text: str = Field(max_length=100)


class Count(BaseModel):
    count: int = Field(ge=0, le=1000)


class Made(BaseModel):
    names: list[str]


@agent.skill
async def echo(request: Text) -> Text:
    """Gives back the text."""
    return request


@agent.skill
async def stumble(request: Text) -> Text:
    """Raises what no one expects, with the text as its message."""
    raise LookupError(request.text)


@agent.skill
async def decline(request: Text) -> Text:
    """Declines, with the text as its reason."""
    raise Rejected(request.text)


@agent.skill
def join(words: list[str], between: str = " ") -> str:
    """A plain function that is not async."""
    return between.join(words)


@agent.skill(long=True)
def join_slowly(words: list[str], between: str = " ") -> str:
    """As a task."""
    return between.join(words)


@agent.skill
async def collapse(request: Text, task: TaskContext) -> Text:
    """Raises what no one expects, after some work."""
    await task.progress(1, 2, "half way")
    raise LookupError(request.text)


@agent.skill
async def refuse(request: Text, task: TaskContext) -> Text:
    """Declines, as a task."""
    raise Rejected(request.text)


@agent.skill
async def produce(request: Count, task: TaskContext) -> Made:
    """Hands out artifacts, each with a text, a data and a file part."""
    names = [f"artifact-{n}" for n in range(request.count)]
    for n, name in enumerate(names):
        parts = (
            TextPart(text=f"número {n}"),
            DataPart(data={"n": n, "nested": [None, True, 1.5, "x"]}),
            FilePart(name=f"{n}.bin", media_type="application/x-trial", base64="AAEC/w=="),
        )
        await task.emit(Artifact(name=name, parts=parts))
    return Made(names=names)
