import enum

from pydantic import BaseModel, Field


class State(str, enum.Enum):
    open = "open"
    late = "late"


class NewParcel(BaseModel):
    code: str
    weight: float = Field(gt=0)
    note: str = ""


class Hook(BaseModel):
    url: str
    secret: str
    events: list[str] = []


class Search(BaseModel):
    column: str
    value: str
    limit: int = 20
