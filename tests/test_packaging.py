import re
from importlib import metadata

from tests.conftest import REPO


def test_every_distribution_that_is_installed_is_pinned_in_the_lock():
    lock = (REPO / "requirements.lock").read_text(encoding="utf-8")
    pinned = {normal(line.partition("==")[0]) for line in lock.splitlines()}
    wanted = [metadata.distribution("mundap")]
    found = set()
    while wanted:
        distribution = wanted.pop()
        for requirement in distribution.requires or []:
            if "extra ==" in requirement and distribution.name != "mundap":
                continue
            name = normal(re.match(r"[\w.-]+", requirement).group())
            if name not in found and name in installed():
                found.add(name)
                wanted.append(metadata.distribution(name))
    # What installs the others comes with each environment.
    assert found - pinned - {"pip"} == set()


def installed():
    return {normal(distribution.metadata["Name"]) for distribution in metadata.distributions()}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_digests_are_those_of_the_versions_in_the_lock():
    lock = (REPO / "requirements.lock").read_text(encoding="utf-8").splitlines()
    hashed = (REPO / "requirements.hashed.lock").read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    # Names are normalised there, versions and markers aren't.
    assert {pinned(line) for line in hashed} == {pinned(line) for line in lock}
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashed)


def pinned(line):
    name, _, version = line.split()[0].partition("==")
    return normal(name), version


def test_whatever_is_said_to_be_made_can_be():
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    folders = ("docs", "deploy", "index", "server", "eval", "tests", "web")
    files = [*REPO.glob("*.md"), *(path for folder in folders for path in (REPO / folder).rglob("*"))]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".md", ".py", ".yaml")]
    named = {name for text in texts for name in re.findall(r"`make ([a-z-]+)`", text)}
    assert named
    assert named - targets == set()


def test_make_fuzz_plays_every_test_that_has_more_to_play():
    [recipe] = re.findall(r"^fuzz:.*\n\t(.*)", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    files = {path for path in recipe.split() if path.endswith(".py")}
    machines = {
        path.relative_to(REPO).as_posix()
        for path in (REPO / "tests").rglob("test_*.py")
        if "RuleBasedStateMachine" in path.read_text(encoding="utf-8") and path.name != "test_packaging.py"
    }
    assert machines <= files
    assert "life" in recipe.partition(" -k ")[2]
