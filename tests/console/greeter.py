from pydantic import BaseModel
from sametask.agents import Agent

agent = Agent("greeter", description="Says hello.")


class Text(BaseModel):
    text: str


@agent.skill
async def greet(name: Text) -> Text:
    """Greet somebody by name."""
    return Text(text=f"Hello, {name.text}!")
