"""Requests made from the description of the interface: each gets what is described, and none an internal error."""

import hypothesis
import pytest
import schemathesis
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.app import create_app
from tests.server.conftest import listening

SESAME = "a token that is long enough"
# A build would go on for minutes, and a stop needs one that goes on.
NOT_CALLED = "^/api/admin/builds$"


@pytest.fixture(scope="module")
def described(settings, chat, tmp_path_factory):
    folder = tmp_path_factory.mktemp("described")
    (folder / "documents").mkdir()
    changed = {
        "admin_token": SecretStr(SESAME),
        "data_dir": folder / "data",
        "source_dir": folder / "documents",
        "concurrency": 20,
    }
    own = settings.model_copy(update=changed)
    with listening(create_app(own, chat), own) as (_, address):
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        yield schema.exclude(path_regex=NOT_CALLED, method="POST")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@hypothesis.settings(max_examples=max(5, hypothesis.settings().max_examples // 20), deadline=None)
def test_the_description_holds_for_whatever_is_sent(case):
    headers = {"Authorization": f"Bearer {SESAME}"} if case.path.startswith("/api/admin") else {}
    case.call_and_validate(
        headers=headers,
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
    )
