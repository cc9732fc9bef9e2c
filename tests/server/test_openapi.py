"""Requests made from the description of the interface: each gets what is described, and none an internal error."""

from collections import Counter

import hypothesis
import pytest
import schemathesis
from hypothesis.strategies import booleans
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
STAFF = "/api/admin"
EXAMPLES = max(5, hypothesis.settings().max_examples // 16)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def described(settings, chat, data_dir, tmp_path):
    (tmp_path / "documents").mkdir()
    changed = {"admin_token": SecretStr(SESAME), "data_dir": data_dir, "source_dir": tmp_path / "documents"}
    own = settings.model_copy(update=changed)
    with listening(create_app(own, chat), own) as (_, address):
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.fixture
def known(chat):
    """What there is of that which paths name, since hardly anybody makes it up."""
    return {"doc_id": chat.index.corpus.documents()[0].doc_id, "version": chat.version, "model_id": "mundap"}


def send_to(operations, token, known):
    """Send whatever is described, and much that isn't, with `token`; return how often each status came from where."""
    statuses = Counter()

    def send(case, is_known):
        if is_known:
            case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
        headers = {"Authorization": f"Bearer {token}"} if token and case.path.startswith(STAFF) else {}
        reply = case.call_and_validate(headers=headers, checks=CHECKS)
        statuses[case.method, case.path, reply.status_code] += 1

    limits = hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    for operation in operations:
        limits(hypothesis.given(operation.as_strategy(), booleans())(send))()
        if operation.body or operation.query:  # an address of another form is another route
            negative = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
            limits(hypothesis.given(negative, booleans())(send))()
    return statuses


def test_the_description_holds_for_whatever_is_sent(described, known):
    statuses = send_to([result.ok() for result in described.get_all_operations()], SESAME, known)
    operations = {(method, path) for method, path, _ in statuses}
    assert operations >= {("POST", "/api/chat"), ("POST", "/v1/chat/completions"), ("GET", "/metrics")}
    assert statuses["POST", f"{STAFF}/builds", 202]
    assert statuses["GET", "/api/documents/{doc_id}", 200]
    # So that the thorough profile makes 5,000 at least.
    assert statuses.total() >= 20 * EXAMPLES
    print(f"{statuses.total()} requests to {len(operations)} operations: {dict(statuses)}")


@pytest.mark.parametrize("token", ["", "another token"])
def test_the_description_holds_for_whoever_has_not_the_token(described, known, token):
    staff = [result.ok() for result in described.get_all_operations() if result.ok().path.startswith(STAFF)]
    statuses = send_to(staff, token, known)
    assert len({(method, path) for method, path, _ in statuses}) == len(staff)
    assert not [where for where in statuses if where[2] < 400]
    assert any(status == 401 for _, _, status in statuses)
