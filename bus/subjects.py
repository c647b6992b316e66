"""Every subject and every stream, consumer and bucket name of a network: one builder, and one parser of what is asked.

A network is a realm: the first token of its subjects. Several realms can share one server.
"""

import re
from dataclasses import dataclass

from schemas import Priority, is_token

PRIORITIES: tuple[Priority, ...] = ("high", "medium", "low")

WORKFLOW_TYPE = "workflow"
"""The type token of results and events of workflows."""
COMMAND_TYPE = "command"
"""The type token of commands' results, which are the verdicts on them."""
ESCALATION_TYPE = "escalation"
"""The type token of results of escalations, which are what Omega decided about them."""
INSTANCE_TYPE = "instance"
"""The type token of events that tell of instances."""
RESERVED_TYPES = frozenset({WORKFLOW_TYPE, COMMAND_TYPE, ESCALATION_TYPE, INSTANCE_TYPE})
"""No route may use these."""

_NOT_IN_TOKENS = re.compile(r"[^a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class TaskSubject:
    """`<realm>.task.<type>[.<priority>]`; without a priority the route's default counts."""

    task_type: str
    priority: Priority | None


class Subjects:
    """The names of one realm."""

    def __init__(self, realm: str = "sanctuary") -> None:
        """Take `realm`, 1 to 64 of a-z 0-9 _ -.

        Raises:
            ValueError: `realm` cannot be a subject token.
        """
        if not is_token(realm):
            raise ValueError(f"the realm {realm!r} is no subject token: use 1 to 64 of a-z, 0-9, _ and -")
        self.realm = realm
        prefix = realm.upper().replace("-", "_")
        self.ledger = f"{prefix}_LEDGER"
        self.results = f"{prefix}_RESULTS"
        self.artifacts = f"{realm}_artifacts"
        self.routes = f"{realm}_routes"
        self.workflows = f"{realm}_workflows"
        """The bucket of workflow definitions, each version under a key of its own."""
        self.sleepers = f"{realm}_sleepers"
        """The bucket of runs of workflows that only wait, and for what."""
        self.schedules = f"{realm}_schedules"
        """The bucket of schedules."""
        self.secrets = f"{realm}_secrets"
        """The bucket of what the Omegas alone know."""
        self.cache = f"{realm}_cache"
        """The bucket of which completion answers tasks that are asked for with `cache`."""
        self.completeness = f"{realm}_completeness"
        """The bucket of how far Omega has checked that the ledger is whole."""
        self.agents = f"{realm}_agents"
        """The bucket of who is in the agents' runtime, and which of them holds which agent."""
        self.agent_states = f"{realm}_agent_states"
        """The bucket of agents' kept state."""
        self.topics = f"{realm}_topics"
        """The stream of agents' durable topics."""
        self.workflows_consumer = "workflows"
        self.commands_consumer = "commands"
        self.escalations_consumer = "escalations"
        self._event = f"{realm}.event."
        self._result = f"{realm}.result."
        self._settle = f"{realm}.settle."

    def task(self, task_type: str, priority: Priority | None = None) -> str:
        """Where a task of this type is published."""
        return f"{self.realm}.task.{task_type}.{priority}" if priority else f"{self.realm}.task.{task_type}"

    def workflow(self, name: str) -> str:
        """Where a workflow is started."""
        return f"{self.realm}.workflow.{name}"

    def settle(self, task_type: str, task_id: str) -> str:
        """Where a result is written; the results stream stores the first one under the result subject and refuses the rest."""
        return f"{self._settle}{task_type}.{task_id}"

    def result(self, task_type: str, task_id: str) -> str:
        """Where a stored result is read and announced. Publishing here stores nothing."""
        return f"{self._result}{task_type}.{task_id}"

    def event(self, task_type: str, task_id: str) -> str:
        """Where a task's events go."""
        return f"{self._event}{task_type}.{task_id}"

    def escalation(self, severity: str, clone: str) -> str:
        """Where an ErrorEscalation goes."""
        return f"{self.realm}.escalation.{severity}.{clone}"

    def command(self, target: str) -> str:
        """Where a command is stored; `target` is a task type, `workflow` or `routes`, and informs only."""
        return f"{self.realm}.command.{target}"

    def handover(self, task_type: str, clone: str) -> str:
        """Where a task is stored that one clone alone is to run."""
        return f"{self.realm}.handover.{task_type}.{clone}"

    def presence(self, task_type: str) -> str:
        """Where the primaries of a type listen as long as they take its tasks: without one, a request there has no responders."""
        return f"{self.realm}.presence.{task_type}"

    def heartbeat(self, clone: str, instance: str) -> str:
        """Where an instance's heartbeat goes, each second."""
        return f"{self.realm}.heartbeat.{clone}.{instance}"

    def status(self, clone: str | None = None, instance: str | None = None) -> str:
        """Where to ask the whole network, one clone or one instance for its status."""
        return ".".join(token for token in (self.realm, "status", clone, instance) if token)

    def call(self, task_type: str) -> str:
        """Where `nats req` gets a task's result as the answer."""
        return f"{self.realm}.call.{task_type}"

    def call_workflow(self, name: str) -> str:
        """Where `nats req` gets a workflow's result as the answer."""
        return f"{self.realm}.call.workflow.{name}"

    def call_command(self) -> str:
        """Where `nats req` gets the verdict on a command as the answer."""
        return f"{self.realm}.call.command"

    def history(self, workflow_id: str) -> str:
        """Where the entries of a run's history are stored."""
        return f"{self.realm}.history.{workflow_id}"

    def checkpoint(self, origin: str) -> str:
        """Where a notary stores its signed checkpoints; what of its log's name no token can hold becomes `-`."""
        return f"{self.realm}.checkpoint.{_NOT_IN_TOKENS.sub('-', origin.lower())}"

    def nudge(self, workflow_id: str) -> str:
        """Where the Omega that drives a run hears, by core request, that its history has grown; nobody drives it: no responders."""
        return f"{self.realm}.nudge.{workflow_id}"

    def ask(self, task_type: str) -> str:
        """Where a task asks Omega, by core request, for work of this type, and is answered with its result."""
        return f"{self.realm}.ask.{task_type}"

    def every(self, family: str) -> str:
        """Return the wildcard of all subjects of a family, such as `task`, `event` or `result`."""
        return f"{self.realm}.{family}.>"

    def consumer(self, task_type: str, priority: Priority | None = None) -> str:
        """Return the durable consumer of one task subject; no token holds a `+`, so no two subjects share one."""
        return f"task_{task_type}+{priority}" if priority else f"task_{task_type}"

    def handover_consumer(self, task_type: str, clone: str) -> str:
        """Return the durable consumer of one handover subject."""
        return f"handover_{task_type}+{clone}"

    def parse_task(self, subject: str) -> TaskSubject | None:
        """Return the parts of a task subject, or None where `subject` is none."""
        match subject.split("."):
            case [self.realm, "task", task_type] if is_token(task_type):
                return TaskSubject(task_type, None)
            case [self.realm, "task", task_type, ("high" | "medium" | "low") as priority] if is_token(task_type):
                return TaskSubject(task_type, priority)
        return None
