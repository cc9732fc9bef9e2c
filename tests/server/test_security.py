import ast
import re

import pytest
from pydantic import SecretStr

from server.app import create_app
from server.settings import Settings
from tests.conftest import REPO
from tests.test_imports import imported, modules

PACKAGES = ("index", "server", "eval")


def test_every_test_that_the_threat_model_and_the_promises_name_is_there():
    for page in ("SECURITY.md", "docs/RELIABILITY.md"):
        text = (REPO / page).read_text(encoding="utf-8")
        named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text))
        assert len(named) > 5
        for path, name in named:
            source = (REPO / path).read_text(encoding="utf-8")
            assert not name or f"def {name}(" in source, f"{path}::{name}"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example"])
def test_no_other_origin_may_read_or_send(client, origin):
    for method, path in (("GET", "/api/documents"), ("POST", "/api/chat"), ("GET", "/"), ("GET", "/metrics")):
        response = client.request(method, path, headers={"Origin": origin}, json={"question": "안녕"})
        assert "access-control-allow-origin" not in response.headers
        asked = {"Origin": origin, "Access-Control-Request-Method": method}
        preflight = client.options(path, headers=asked)
        assert not any(name.startswith("access-control-") for name in preflight.headers)


def test_nothing_is_unpickled_or_evaluated_or_fetched_by_address():
    forbidden = {
        "pickle",
        "marshal",
        "shelve",
        "dill",
        "cloudpickle",
        "joblib",
        "urllib.request",
        "ftplib",
        "telnetlib",
    }
    for package in PACKAGES:
        for path in modules(package):
            tree = ast.parse((REPO / path).read_text(encoding="utf-8"))
            names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert not names & forbidden, path
            called = {
                node.func.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert not called & {"eval", "exec", "compile", "__import__"}, path


def test_what_connects_to_addresses_is_known():
    """Only a new name here may be reached from outside: what each connects to comes from the settings alone."""
    clients = {"httpx", "requests", "aiohttp", "urllib3", "openai", "redis", "psycopg", "pymilvus", "grpc"}
    found = {
        str(path)
        for package in ("index", "server")
        for path in modules(package)
        if clients & set(imported(REPO / path))
    }
    engines = {"index/postgres.py", "index/milvus.py"}
    assert found <= {"server/limits.py", "server/answerers/language_model.py"} | engines


SECRETS = {
    "admin_token": "s3cret-token",
    "llm_api_key": "s3cret-key",
    "database_url": "postgresql://u:s3cret@h/d",
    "vector_store": "postgresql://u:s3cret@h/d",
}


def test_secrets_are_told_nowhere(settings, chat, capsys, caplog):
    given = {name: SecretStr(value) for name, value in SECRETS.items()}
    own = settings.model_copy(update=given | {"rate_limit_storage": SecretStr("redis://:s3cret@h:1/0")})
    shown = [repr(own), str(own), repr(own.shown()), repr(own.environment()), own.model_dump_json()]
    assert not any("s3cret" in text for text in shown)
    assert create_app(own, chat).title == "Mundap"
    assert "s3cret" not in caplog.text + "".join(capsys.readouterr())


def test_a_wrong_setting_that_holds_a_secret_does_not_tell_it(monkeypatch):
    monkeypatch.setenv("MUNDAP_RATE_LIMIT_STORAGE", "memcached://s3cret")
    from server.settings import read_settings

    with pytest.raises(Exception, match="MUNDAP_RATE_LIMIT_STORAGE: it can't be used") as problem:
        read_settings()
    assert "s3cret" not in str(problem.value)


def test_https_is_asked_for_once_it_is_there(settings, chat):
    from fastapi.testclient import TestClient

    proxied = settings.model_copy(update={"trusted_proxies": "203.0.113.5"})
    with TestClient(create_app(proxied, chat), client=("203.0.113.5", 1)) as client:
        assert "strict-transport-security" not in client.get("/").headers
        headers = client.get("/", headers={"X-Forwarded-Proto": "https"}).headers
        assert headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/admin/", "/api/feedback/", "/embed/"])
def test_nobody_is_sent_to_a_host_that_a_request_names(client, path):
    reply = client.get(path, headers={"Host": "evil.example"}, follow_redirects=False)
    assert reply.status_code == 404
    assert "location" not in reply.headers


def test_no_other_site_may_embed_what_is_served(client):
    assert client.get("/api/documents").headers["cross-origin-resource-policy"] == "same-origin"
    assert client.get("/widget.js").headers.get_list("cross-origin-resource-policy") == ["cross-origin"]


def test_the_settings_are_those_that_are_read_from_the_environment():
    assert Settings.model_config["env_prefix"] == "MUNDAP_"
