"""Spans of a run, as a collector sees them: read with OpenTelemetry's own messages."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from moto_account import error
from receiver import Answer
from warden import ENFORCE_ROTATION, FREELY, until


class Span:
    """One span, with the service that sent it."""

    def __init__(self, resource: dict[str, str], span) -> None:
        self.resource, self.name, self.status = resource, span.name, span.status.code
        self.id, self.parent, self.trace = span.span_id, span.parent_span_id, span.trace_id
        self.facts = attributes(span.attributes)


def attributes(pairs) -> dict[str, str]:
    return {pair.key: pair.value.string_value or str(pair.value.int_value) for pair in pairs}


class Collector:
    """What a receiver was sent by OTLP."""

    def __init__(self, receiver) -> None:
        self.receiver = receiver
        receiver.answer = Answer(200, "", {"Content-Type": "application/x-protobuf"})

    @property
    def environment(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.receiver.url}

    def spans(self) -> list[Span]:
        spans = []
        for post in self.receiver.posts:
            assert post.path.endswith("/v1/traces")
            request = ExportTraceServiceRequest.FromString(post.body)
            for group in request.resource_spans:
                resource = attributes(group.resource.attributes)
                spans += [Span(resource, span) for scope in group.scope_spans for span in scope.spans]
        return spans


@pytest.fixture
def collector(receiver):
    return Collector(receiver())


def ancestors(span: Span, spans: list[Span]) -> list[str]:
    """The names of the spans around one, from the inside."""
    by_id = {each.id: each for each in spans}
    names = []
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(span.name)
    return names


def test_a_run_is_one_trace_down_to_its_calls(account, warden, collector):
    account.user("alice")
    account.key("alice", 200, used=1)
    account.user("bob")
    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.apply(code=0, **collector.environment)
    spans = collector.spans()
    (run,) = [span for span in spans if span.name == "run"]
    assert run.resource["service.name"] == "iamwarden" and run.resource["service.version"]
    assert {span.trace for span in spans} >= {run.trace}

    (change,) = [span for span in spans if span.name == "iam:UpdateAccessKey"]
    assert ancestors(change, spans) == ["action", "account", "run"]
    assert change.facts["result"] == "ok" and change.facts["attempts"] == "1"
    (action,) = [span for span in spans if span.name == "action"]
    assert action.facts["kind"] == "disable_access_key" and action.facts["result"] == "applied"
    assert action.facts["action"] == warden.history()["runs"][0]["actions"][0]["id"]

    (listing,) = [span for span in spans if span.name == "iam:GetAccountAuthorizationDetails"]
    assert ancestors(listing, spans) == ["account", "run"]


def test_a_call_that_fails_says_so(account, warden, collector):
    account.user("alice")
    account.key("alice", 200, used=1)
    denied = error("AccessDenied", "no", "403 Forbidden")
    account.faults.append(lambda action, _: denied if action == "GetAccountPasswordPolicy" else None)
    warden.configure(FREELY, '[rules.password_policy]\nmode = "report"\nminimum_length = 14\n')
    warden.plan(code=3, **collector.environment)
    (denied,) = [span for span in collector.spans() if span.name == "iam:GetAccountPasswordPolicy"]
    assert denied.status == 2 and denied.facts["result"] == "denied"


@pytest.mark.parametrize("trouble", ["refuses", "is away", "hangs"])
def test_a_collector_in_trouble_holds_nothing_up(account, warden, collector, trouble):
    account.user("alice")
    account.key("alice", 200, used=1)
    warden.configure(FREELY, ENFORCE_ROTATION)
    environment = {**collector.environment, "OTEL_EXPORTER_OTLP_TIMEOUT": "500"}
    if trouble == "refuses":
        collector.receiver.answer = Answer(403, "no")
    elif trouble == "hangs":
        collector.receiver.answer = collector.receiver.hang
    else:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    ended = warden.apply(code=0, **environment)
    assert warden.outcomes() == ["applied"]
    warnings = [line["message"] for line in ended.log if "collector does not take spans" in line["message"]]
    assert len(warnings) == 1, ended


def test_nothing_is_sent_where_it_is_turned_off(account, warden, collector):
    warden.plan(code=0, **collector.environment, OTEL_SDK_DISABLED="true")
    assert collector.receiver.posts == []


def test_an_environment_that_cannot_be_used_is_an_error(warden, collector):
    ended = warden.run("plan", code=1, **collector.environment, OTEL_EXPORTER_OTLP_TIMEOUT="soon")
    assert "OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds" in ended.err
    assert collector.receiver.token not in ended.err


def test_the_daemon_sends_while_it_runs(account, warden, collector):
    account.user("alice")
    account.key("alice", 200, used=1)
    warden.configure(FREELY, ENFORCE_ROTATION, '[schedule]\ndefault = "* * * * * *"\n')
    with warden.daemon(**collector.environment, OTEL_BSP_SCHEDULE_DELAY="100"):
        until(lambda: any(span.name == "iam:UpdateAccessKey" for span in collector.spans()), "the change is seen")
