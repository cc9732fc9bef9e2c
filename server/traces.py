"""Traces for a collector of OpenTelemetry: a span for each request, and one for each stage of the answer in it.

They hold no word of a question, no path and no address. The standard variables of OpenTelemetry (`OTEL_…`) apply.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any

# One value ends a request's span: the template of its route, the method, and the status.
EndSpan = Callable[[str, str, int], None]
# Of timings, in the order in which they follow one another.
_STAGES = ("embed", "search", "answer")
_SEND_SECONDS = 5


class Traces:
    """Sends spans to the collector at `url`, OTLP over HTTP; with "" there are none.

    Raises:
        ImportError: there is a URL and the package for it is missing.
    """

    def __init__(self, url: str) -> None:
        self._provider: Any = _provider(url) if url else None
        self._tracer: Any = self._provider and self._provider.get_tracer("mundap")

    @contextmanager
    def request(self, traceparent: str, request_id: str) -> Iterator[EndSpan]:
        """Give what runs in the block a span, which goes on with the trace of `traceparent`; yield what ends it.

        `traceparent` (W3C Trace Context) is "" where no trusted proxy has begun one: others could leave themselves out.
        """
        if not self._provider:
            yield lambda route, method, status: None
            return
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        # Without its tracestate, which holds whatever somebody likes.
        begun = TraceContextTextMapPropagator().extract({"traceparent": traceparent} if traceparent else {})
        with self._tracer.start_as_current_span(
            "request", begun, SpanKind.SERVER, {"mundap.request_id": request_id},
            record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip

            def end(route: str, method: str, status: int) -> None:
                span.update_name(f"{method} {route}")
                span.set_attributes(
                    {"http.request.method": method, "http.route": route, "http.response.status_code": status}
                )
                if status >= 500 or not status:
                    span.set_status(StatusCode.ERROR)

            yield end

    def answered(self, timings_ms: Mapping[str, float], status: str, mode: str) -> None:
        """Give the request of this context a span for each stage that ran for an answer that has just been given."""
        if not self._provider:
            return
        end = time.time_ns()
        spent = {stage: round(timings_ms.get(stage, 0.0) * 1e6) for stage in _STAGES}
        at = end - sum(spent.values())
        for stage, nanoseconds in spent.items():
            if not nanoseconds:
                continue
            span = self._tracer.start_span(stage, start_time=at)
            if stage == "answer":
                span.set_attributes({"mundap.status": status, "mundap.mode": mode})
            at += nanoseconds
            span.end(at)

    def close(self) -> None:
        """Send what is left, and end."""
        if self._provider:
            self._provider.shutdown()


def _provider(url: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = {"service.name": "mundap", "service.version": metadata.version("mundap")}
    named = Resource.create({**ours, **OTELResourceDetector().detect().attributes})
    provider = TracerProvider(resource=named, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{url.rstrip('/')}/v1/traces", timeout=_SEND_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
