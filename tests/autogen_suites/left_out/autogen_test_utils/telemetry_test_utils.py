"""Spans that are kept."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class MyTestExporter(SpanExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.exported_spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.exported_spans.extend(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None: ...

    def clear(self) -> None:
        self.exported_spans.clear()

    def get_exported_spans(self) -> list[ReadableSpan]:
        return self.exported_spans


def get_test_tracer_provider(exporter: SpanExporter) -> TracerProvider:
    """Return a provider whose spans go to `exporter` as they end."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider
