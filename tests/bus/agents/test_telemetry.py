"""Spans, and the event log, as SingleThreadedAgentRuntime writes them; ours also join what two processes did."""

import json
import logging
from typing import Any

import pytest
from autogen_core import AgentId, DefaultTopicId, TopicId
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.bus.agents.cast import Ask, Note, take_worker
from tests.bus.agents.conftest import Grounds, Make

pytestmark = pytest.mark.usefixtures("unhurried")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


async def test_the_spans_of_a_publication_and_of_a_call(
    make: Make, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    runtime = make(tracer_provider=provider)
    await take_worker(runtime, "worker", "notes")
    runtime.start()
    await runtime.publish_message(Note(1), TopicId("notes", "one"))
    await runtime.stop_when_idle()
    assert [span.name for span in exporter.get_finished_spans()] == [
        "autogen create notes.(one)-T",
        "autogen process worker.(one)-A",
        "autogen publish notes.(one)-T",
    ]
    exporter.clear()
    runtime.start()
    await runtime.send_message(Ask(1), AgentId("worker", "one"))
    await runtime.stop_when_idle()
    names = [span.name for span in exporter.get_finished_spans()]
    assert sorted(names) == [
        "autogen ack",
        "autogen create worker.(one)-A",
        "autogen process worker.(one)-A",
        "autogen send worker.(one)-A",
    ]
    process = next(span for span in exporter.get_finished_spans() if "process" in span.name)
    create = next(span for span in exporter.get_finished_spans() if "create" in span.name)
    assert process.attributes is not None
    assert process.attributes["recipient_agent_class"] == "Worker"
    assert json.loads(process.attributes["message"]) == {"number": 1}
    assert [link.context.span_id for link in process.links] == [_context(create).span_id]


async def test_the_spans_of_a_publication_are_linked_to_its_creation(
    make: Make, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    runtime = make(tracer_provider=provider)
    for agent_type in ("first", "second"):
        await take_worker(runtime, agent_type, "default")
    runtime.start()
    await runtime.publish_message(Note(1), DefaultTopicId())
    await runtime.stop_when_idle()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    create = _context(spans.pop("autogen create default.(default)-T")).span_id
    assert {name: [link.context.span_id for link in span.links] for name, span in spans.items()} == {
        "autogen publish default.(default)-T": [create],
        "autogen process first.(default)-A": [create],
        "autogen process second.(default)-A": [create],
    }


async def test_spans_of_two_runtimes_are_one_trace(
    grounds: Grounds, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    worker, caller = grounds.runtime(tracer_provider=provider), grounds.runtime(tracer_provider=provider)
    await worker.start()
    await take_worker(worker)
    await caller.send_message(Ask(1), AgentId("worker", "one"))
    spans = {span.name.split()[1]: span for span in exporter.get_finished_spans()}
    assert spans["process"].parent is not None
    assert spans["process"].parent.span_id == _context(spans["send"]).span_id
    assert len({_context(span).trace_id for span in spans.values()}) == 1


def _context(span: Any) -> Any:
    return span.get_span_context()


async def test_the_event_log_tells_of_each_stage(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    runtime = make()
    await take_worker(runtime)
    runtime.start()
    with caplog.at_level(logging.INFO, logger="autogen_core.events"):
        await runtime.send_message(Ask(1), AgentId("worker", "one"))
    kwargs = [record.msg.kwargs for record in caplog.records if hasattr(record.msg, "kwargs")]
    assert [(entry["kind"], entry["delivery_stage"]) for entry in kwargs if entry["type"] == "Message"] == [
        ("MessageKind.DIRECT", "DeliveryStage.SEND"),
        ("MessageKind.DIRECT", "DeliveryStage.DELIVER"),
        ("MessageKind.RESPOND", "DeliveryStage.SEND"),
        ("MessageKind.RESPOND", "DeliveryStage.DELIVER"),
    ]
    await runtime.stop()
