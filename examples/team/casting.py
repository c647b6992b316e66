"""Who is in the team. The agents' words are canned, so that nothing but NATS is needed; give them a model client of yours."""

from autogen_agentchat.agents import AssistantAgent
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, ModelInfo, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient

WORDS = {
    "writer": ("Agents talk.", "Agents talk over NATS."),
    "critic": ("Over what do they talk?", "APPROVED"),
    "editor": ("The critic may read this.", "The critic may read this, too."),
}
DESCRIPTIONS = {
    "writer": "writes one sentence",
    "critic": "says what is wrong with it",
    "editor": "sees to it that it is read",
}
NEXT = {"writer": "editor", "editor": "critic", "critic": "writer"}
"""Whom each hands over to, in a swarm."""


def make(name: str, *, hands_over: bool = False) -> AssistantAgent:
    """Return one of the team."""
    replies: list[str | CreateResult] = []
    for words in WORDS[name]:
        replies += [_handing_over(NEXT[name], words)] if hands_over and words != "APPROVED" else [words]
    model = ReplayChatCompletionClient(
        replies,
        ModelInfo(vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False),
    )
    return AssistantAgent(name, model, description=DESCRIPTIONS[name], handoffs=[NEXT[name]] if hands_over else None)


def _handing_over(to: str, words: str) -> CreateResult:
    """Return what a model answers that hands over."""
    return CreateResult(
        finish_reason="function_calls",
        content=[FunctionCall(id=words, name=f"transfer_to_{to}", arguments="{}")],
        thought=words,
        usage=RequestUsage(prompt_tokens=0, completion_tokens=0),
        cached=False,
    )
