"""Two runtimes for one: agents here, traffic there."""

from typing import Any

from bus.agent_runtime import NatsAgentRuntime


class Pair:
    """Agents on one runtime, the test's own traffic on another, each with a connection of its own."""

    def __init__(self, agents: NatsAgentRuntime, traffic: NatsAgentRuntime) -> None:
        self.agents = agents
        self.send_message = traffic.send_message
        self.publish_message = traffic.publish_message
        self._traffic = traffic

    def __getattr__(self, name: str) -> Any:
        return getattr(self.agents, name)

    @property
    def unprocessed_messages_count(self) -> int:
        return self.agents.unprocessed_messages_count + self._traffic.unprocessed_messages_count

    def start(self) -> None:
        self.agents.start()
        self._traffic.start()

    async def stop_when_idle(self) -> None:
        try:
            await self._traffic.stop_when_idle()
        finally:
            await self.agents.stop_when_idle()

    async def stop(self) -> None:
        await self._traffic.stop()
        await self.agents.stop()

    async def close(self) -> None:
        await self._traffic.close()
        await self.agents.close()
