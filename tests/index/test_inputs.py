import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from index import inputs
from index.inputs import _CODE, _PACKAGES, code_digest
from tests.conftest import REPO


def test_the_code_that_reads_and_analyses_counts_as_a_whole():
    script = "import sys, index.chunking, index.imprint, index.loaders.process; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=REPO, capture_output=True, encoding="utf-8", check=True)
    ours = {name.split(".")[1] for name in run.stdout.split() if name.startswith("index.")}
    # What says no, and what keeps others out, reads nothing.
    assert ours - {"errors", "seclusion"} <= {Path(name).stem for name in _CODE}


def test_the_packages_that_read_and_analyse_count():
    code = [*(REPO / "index" / "loaders").glob("*.py"), REPO / "index" / "morphemes.py"]
    imported = {
        line.split()[1].split(".")[0]
        for path in code
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith(("import ", "from "))
    }
    packages = {name for module in imported - {"index"} for name in metadata.packages_distributions().get(module, ())}
    assert {"dochan", "kiwipiepy"} <= packages <= set(_PACKAGES)


@pytest.mark.parametrize("name", ["loaders/pdf.py", "morphemes.py"])
def test_a_change_of_the_code_changes_the_digest(name, tmp_path, monkeypatch):
    for path in (REPO / "index").rglob("*.py"):
        copy = tmp_path / path.relative_to(REPO / "index")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(inputs, "__file__", str(tmp_path / "inputs.py"))
    before = code_digest.__wrapped__()
    assert before == code_digest()
    with (tmp_path / name).open("a") as file:
        file.write("# changed\n")
    assert code_digest.__wrapped__() != before
