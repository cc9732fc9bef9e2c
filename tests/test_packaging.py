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
    assert found - pinned == set()


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
