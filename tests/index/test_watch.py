import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from index import watch
from index.publication import Publication
from tests.conftest import REPO

PATIENCE_SECONDS = 180


@contextmanager
def watching(source, data_dir, output):
    """Run `mundap index build --watch`, which writes all it has to say to the file `output`."""
    environment = os.environ | {"MUNDAP_DATA_DIR": str(data_dir), "MUNDAP_SOURCE_DIR": str(source)}
    command = [sys.executable, "-m", "server.cli", "index", "build", "--watch"]
    with (
        output.open("w") as written,
        subprocess.Popen(command, cwd=REPO, env=environment, stdout=written, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def wait_for(text, output, times=1):
    give_up = time.monotonic() + PATIENCE_SECONDS
    while output.read_text().count(text) < times:
        assert time.monotonic() < give_up, f"{text} was not said {times} times: {output.read_text()}"
        time.sleep(0.2)


def test_a_watched_folder_is_built_again_when_its_changes_have_settled(source, tmp_path):
    folder, data_dir, output = source({"a.txt": "Apples are red."}), tmp_path / "data", tmp_path / "output"
    data_dir.mkdir()
    (data_dir / "models").symlink_to(REPO / "var" / "models")
    with watching(folder, data_dir, output) as process:
        wait_for("added      a.txt", output)

        with (folder / "b.txt").open("w") as copied:
            for number in range(6):
                copied.write(f"This is sentence {number}. ")
                copied.flush()
                time.sleep(1)
        wait_for("added      b.txt", output)
        wait_for("embedded 1 passages and 6 sentences", output)
        assert "changed    b.txt" not in output.read_text()

        shutil.move(folder, tmp_path / "away")
        wait_for(f"mundap: The source folder {folder} does not exist", output)
        shutil.move(tmp_path / "away", folder)
        wait_for("nothing changed", output)

        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert "Traceback" not in output.read_text()

    before = Publication(data_dir).roll_back().version
    with watching(folder, data_dir, output):
        wait_for(f"nothing changed; still published: {before}", output)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_watching_without_failure(number, settings, data_dir, tmp_path):
    output = tmp_path / "output"
    with watching(settings.source_dir, data_dir, output) as process:
        wait_for("nothing changed", output)
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 0
    said = output.read_text().splitlines()
    assert [line.split(";")[0] for line in said] == [f"Mundap watches {settings.source_dir}", "nothing changed"]


def test_a_signal_in_the_middle_of_a_build_leaves_nothing_half_done(settings, data_dir, source, tmp_path):
    sentences = " ".join(f"This is sentence {number} of a long document." for number in range(3_000))
    folder, output = source({"long.txt": sentences}), tmp_path / "output"
    with watching(folder, data_dir, output) as process:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not list((data_dir / "index" / "versions").glob(".writing-*")):
            assert time.monotonic() < give_up, output.read_text()
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert not list((data_dir / "index" / "versions").glob(".writing-*"))
    assert "Traceback" not in output.read_text()


def test_a_build_that_failed_is_tried_again_without_a_change_and_one_that_succeeded_is_not(source, monkeypatch):
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.05)
    results = iter([False, False, True])
    built = []

    def build():
        built.append(time.monotonic())
        return next(results)

    looks, sleep = iter(range(100)), time.sleep

    def look(seconds):
        sleep(seconds)
        if next(looks) == 99:
            sys.exit()

    monkeypatch.setattr(watch.time, "sleep", look)
    with pytest.raises(SystemExit):
        watch.watch(source({"a.txt": "Apples."}), build)
    assert len(built) == 3
    assert built[1] - built[0] >= 0.05
