"""The files in deploy/ are what their programs take, and name nothing that isn't there."""

import ipaddress
import json
import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from server.cli import WRONG_USAGE
from server.metrics import Metrics
from server.settings import Settings
from tests.conftest import REPO

DEPLOY = REPO / "deploy"
VARIABLES = {f"MUNDAP_{name.upper()}" for name in Settings.model_fields}
METRIC = re.compile(r"\bmundap_\w+")


def texts():
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(DEPLOY.iterdir())}


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


@pytest.mark.parametrize("name", texts())
def test_every_setting_that_is_named_is_one(name):
    assert set(re.findall(r"MUNDAP_[A-Z_]+", texts()[name])) <= VARIABLES


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml", "mundap.service"])
def test_the_values_of_settings_are_taken(name):
    given = {key: value for key, value in variables(name).items() if "$" not in value and "/mundap" not in value}
    Settings(_env_file=None, **{key.removeprefix("MUNDAP_").lower(): value for key, value in given.items()})


def variables(name):
    text = texts()[name]
    if name == "mundap.service":
        pairs = re.findall(r"(MUNDAP_\w+)=(\S+)", "\n".join(re.findall("^Environment=(.*)$", text, re.MULTILINE)))
        return dict(pairs)
    documents = list(yaml.safe_load_all(text))
    if name == "compose.yaml":
        return documents[0]["services"]["mundap"]["environment"]
    return next(document["data"] for document in documents if document["kind"] == "ConfigMap")


def known_metrics():
    metrics = Metrics()
    metrics.queued(0, 0)
    families = text_string_to_metric_families(metrics.exposition().decode())
    names = set()
    for family in families:
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    return names


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "alerts.yml"])
def test_every_metric_that_is_asked_for_is_counted(name):
    asked = set(METRIC.findall(texts()[name]))
    assert asked
    assert asked <= known_metrics()


def test_every_metric_is_in_the_readme_and_on_the_dashboard():
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    shown = texts()["grafana-dashboard.json"]
    for name in known_metrics():
        if name.startswith("mundap_") and not name.endswith(("_bucket", "_sum", "_count")):
            assert name in shown, name
        if name.startswith("mundap_") and name != "mundap_workers":
            assert re.sub("_(bucket|sum|count)$", "", name) in readme, name


def test_the_dashboard_is_whole():
    dashboard = json.loads(texts()["grafana-dashboard.json"])
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(target["expr"] for panel in panels for target in panel["targets"])


@needs("promtool")
def test_prometheus_takes_the_alerts_and_the_queries_of_the_dashboard(tmp_path):
    checked = run("promtool", "check", "rules", DEPLOY / "alerts.yml")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    panels = json.loads(texts()["grafana-dashboard.json"])["panels"]
    rules = [
        {"record": f"panel:{panel['id']}:{target['refId']}", "expr": target["expr"]}
        for panel in panels
        for target in panel["targets"]
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked = run("promtool", "check", "rules", "--lint=none", tmp_path / "rules.yml")
    assert checked.returncode == 0, checked.stderr + checked.stdout


@needs("systemd-analyze")
def test_systemd_takes_the_unit(tmp_path):
    # With a program that is there, as the installed one would be.
    unit = tmp_path / "mundap.service"
    unit.write_text(texts()["mundap.service"].replace("/opt/mundap/.venv/bin/mundap", shutil.which("true")))
    checked = run("systemd-analyze", "verify", "--man=no", unit)
    assert (checked.returncode, checked.stderr) == (0, "")


@needs("nginx")
def test_nginx_takes_its_configuration(tmp_path):
    inline = yaml.safe_load(texts()["compose.yaml"])["configs"]["nginx"]["content"].replace("$$", "$")
    (tmp_path / "inline.conf").write_text(inline.replace("mundap:8000", "127.0.0.1:8000"))
    for included in (DEPLOY / "nginx.conf", tmp_path / "inline.conf"):
        whole = tmp_path / "nginx.conf"
        whole.write_text(
            f"pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log; events {{}}\n"
            f"http {{ access_log {tmp_path}/access.log; include {included}; }}\n"
        )
        checked = run("nginx", "-t", "-q", "-c", whole)
        assert checked.returncode == 0, checked.stderr


def directives(configuration):
    without_comments = re.sub(r"#.*", "", configuration)
    return {" ".join(one.split()) for one in re.split(r"[;{}]", without_comments) if one.strip()}


def test_every_proxy_holds_clients_to_the_same():
    inline = yaml.safe_load(texts()["compose.yaml"])["configs"]["nginx"]["content"].replace("$$", "$")
    file = directives(texts()["nginx.conf"])
    assert directives(inline) ^ file == {"server mundap:8000", "server 127.0.0.1:8000", "server_name _"}
    manifests = {one["kind"]: one for one in yaml.safe_load_all(texts()["kubernetes.yaml"])}
    connections = manifests["Ingress"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/limit-connections"]
    assert f"limit_conn mundap_connections {connections}" in file


def test_kubernetes_takes_the_manifests():
    for manifest in yaml.safe_load_all(texts()["kubernetes.yaml"]):
        kubernetes_validate.validate(manifest, "1.32", strict=True)


def test_the_manifests_fit_together():
    manifests = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(texts()["kubernetes.yaml"])}
    pod = manifests["Deployment", "mundap"]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    for kind in ("Service", "PodDisruptionBudget", "Deployment"):
        spec = manifests[kind, "mundap"]["spec"]
        selector = spec["selector"].get("matchLabels", spec["selector"])
        assert selector.items() <= pod["metadata"]["labels"].items()
    assert {port["targetPort"] for port in manifests["Service", "mundap"]["spec"]["ports"]} <= ports
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    drained = Settings(_env_file=None).drain_seconds + 5 + int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["spec"]["terminationGracePeriodSeconds"] > drained


def test_the_compose_file_fits_together():
    compose = yaml.safe_load(texts()["compose.yaml"])
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
        named = [mount.partition(":")[0] for mount in service.get("volumes", ())]
        assert {name for name in named if re.fullmatch(r"\w+", name)} <= compose["volumes"].keys()
    proxy = services["proxy"]["networks"]["inside"]["ipv4_address"]
    assert services["mundap"]["environment"]["MUNDAP_TRUSTED_PROXIES"] == proxy
    # Nobody but the proxy is reached from outside.
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_the_unit_says_how_to_make_its_user_and_gives_up_on_wrong_settings():
    unit = texts()["mundap.service"]
    [user] = re.findall("^User=(.+)$", unit, re.MULTILINE)
    assert re.search(rf"^# .*useradd --system .* {user} and$", unit, re.MULTILINE)
    assert f"RestartPreventExitStatus={WRONG_USAGE}" in unit


def test_addresses_that_are_given_out_leave_the_fixed_ones_alone():
    compose = yaml.safe_load(texts()["compose.yaml"])
    [pool] = compose["networks"]["inside"]["ipam"]["config"]
    fixed = [
        ipaddress.ip_address(service["networks"]["inside"]["ipv4_address"])
        for service in compose["services"].values()
        if isinstance(service["networks"], dict)
    ]
    assert len(set(fixed)) == 2
    for address in fixed:
        assert address in ipaddress.ip_network(pool["subnet"])
        assert address not in ipaddress.ip_network(pool["ip_range"])
    assert str(fixed[1]) == compose["services"]["mundap"]["environment"]["MUNDAP_TRUSTED_PROXIES"]
