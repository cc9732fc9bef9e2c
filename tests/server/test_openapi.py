"""Requests made from the description of the interface: each gets what is described, and none an internal error."""

from collections import Counter

import hypothesis
import pytest
import schemathesis
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.app import create_app
from tests.server.conftest import listening

SESAME = "a token that is long enough"
# A build would go on for minutes.
NOT_CALLED = {("POST", "/api/admin/builds")}
EXAMPLES = max(5, hypothesis.settings().max_examples // 16)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def described(settings, chat, tmp_path_factory):
    folder = tmp_path_factory.mktemp("described")
    (folder / "documents").mkdir()
    changed = {"admin_token": SecretStr(SESAME), "data_dir": folder / "data", "source_dir": folder / "documents"}
    own = settings.model_copy(update=changed)
    with listening(create_app(own, chat), own) as (_, address):
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


def test_the_description_holds_for_whatever_is_sent(described):
    called = Counter()

    def send(case):
        headers = {"Authorization": f"Bearer {SESAME}"} if case.path.startswith("/api/admin") else {}
        case.call_and_validate(headers=headers, checks=CHECKS)
        called[case.method, case.path] += 1

    limits = hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    for result in described.get_all_operations():
        operation = result.ok()
        if (operation.method.upper(), operation.path) in NOT_CALLED:
            continue
        limits(hypothesis.given(operation.as_strategy())(send))()
        if operation.body or operation.query:  # an address of another form is another route
            limits(hypothesis.given(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))(send))()
    assert called.keys() >= {("POST", "/api/chat"), ("POST", "/v1/chat/completions"), ("GET", "/metrics")}
    # So that the thorough profile makes 5,000 at least.
    assert called.total() >= 20 * EXAMPLES
    print(f"{called.total()} requests to {len(called)} operations: {dict(called)}")
