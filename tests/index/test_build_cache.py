import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter

import pytest

from index import build, build_cache
from index.build import build_index, load_documents, report_if_unchanged
from index.build_cache import BUILDS_KEPT, FILE, BuildCache
from index.chunking import Chunking
from index.errors import GateError, InputError
from index.loaders import read_source_files
from index.publication import Publication
from tests.conftest import REPO, FakeEmbedder

FRUITS = ("apple", "berry", "cherry")
FILES = {f"{name}.md": f"# On {name}\n\nThe {name} is red. The {name} is sweet." for name in FRUITS}
PROSE = f"Plums are {'very ' * 40}blue."


class CountingEmbedder(FakeEmbedder):
    """Remembers what it embedded."""

    def __init__(self, seed="", identity=None):
        super().__init__(seed=seed)
        self.embedded = []
        if identity is not None:
            self.identity = identity

    def embed_passages(self, texts, batch_size=16):
        self.embedded += texts
        return super().embed_passages(texts, batch_size)


@pytest.fixture
def publication(tmp_path):
    return Publication(tmp_path / "data")


@pytest.fixture
def embedded_for(publication, monkeypatch):
    """Build; return the report and the texts that were embedded."""
    # Opening a version embeds a passage of it.
    monkeypatch.setattr("index.publication._check_vectors", lambda index, embedder: None)

    def run(folder, **which):
        embedder = CountingEmbedder(**which)
        return build_index(folder, publication, embedder), sorted(embedder.embedded)

    return run


@pytest.fixture
def calls(monkeypatch):
    """Count the calls of the slow steps of a build."""
    calls = Counter()

    def counted(step, original):
        def count(*arguments):
            calls[step] += 1
            return original(*arguments)

        return count

    for step in ("load_document", "split_into_passages", "search_terms"):
        monkeypatch.setattr(build, step, counted(step, getattr(build, step)))
    return calls


def files_of(publication):
    digests = publication.manifest(publication.current_version()).files
    return {name: digest for name, digest in digests.items() if not name.startswith("lexical/")}


def count_entries(publication):
    connection = sqlite3.connect(publication.folder / FILE)
    [[count]] = connection.execute("SELECT count(*) FROM entry")
    connection.close()
    return count


def test_only_what_changed_is_embedded(source, embedded_for):
    folder = source(FILES)
    report, embedded = embedded_for(folder)
    assert (report.embedded_passages, report.embedded_sentences, len(embedded)) == (3, 9, 12)
    source({"berry.md": FILES["berry.md"] + " The berry is ripe."})
    report, embedded = embedded_for(folder)
    assert embedded == [
        "On berry\nOn berry\n\nThe berry is red. The berry is sweet. The berry is ripe.",
        "The berry is ripe.",
    ]
    assert (report.changed, report.embedded_passages, report.embedded_sentences) == (["berry.md"], 1, 1)
    assert (report.passages, report.sentences) == (3, 10)


def test_the_same_sentence_in_many_documents_is_embedded_once(source, embedded_for):
    folder = source({f"{name}.md": f"# On {name}\n\nAsk the staff." for name in FRUITS})
    report, embedded = embedded_for(folder)
    assert embedded.count("Ask the staff.") == 1
    assert (report.sentences, report.embedded_sentences) == (6, 4)


def test_a_version_made_of_what_was_known_is_that_which_is_made_anew(source, publication, fake_embedder, tmp_path):
    folder = source(FILES)
    build_index(folder, publication, fake_embedder)
    source({"berry.md": "# On berries\n\n| name | price |\n|---|---|\n| bilberry | 3 |\n"})
    (folder / "apple.md").rename(folder / "pear.md")
    build_index(folder, publication, fake_embedder)
    anew = Publication(tmp_path / "anew")
    build_index(folder, anew, fake_embedder)
    assert files_of(publication) == files_of(anew)


def test_a_renamed_document_is_embedded_again_only_where_its_name_is_its_title(source, embedded_for):
    folder = source({**FILES, "plum.txt": PROSE})
    embedded_for(folder)
    (folder / "apple.md").rename(folder / "pear.md")
    report, embedded = embedded_for(folder)
    assert (report.renamed, report.added, report.removed, embedded) == ({"pear.md": "apple.md"}, [], [], [])
    (folder / "plum.txt").rename(folder / "prune.txt")
    report, embedded = embedded_for(folder)
    assert (report.renamed, embedded) == ({"prune.txt": "plum.txt"}, [f"prune\n{PROSE}"])


def test_only_a_file_that_changed_is_read_and_analysed_again(source, embedded_for, calls):
    folder = source(FILES)
    embedded_for(folder)
    assert calls == {"load_document": 3, "split_into_passages": 3, "search_terms": 12}
    calls.clear()
    source({"berry.md": "# On berries\n\nThey are blue."})
    embedded_for(folder)
    assert calls == {"load_document": 1, "split_into_passages": 1, "search_terms": 3}


def test_after_a_change_of_the_code_all_is_read_and_analysed_again(source, embedded_for, calls, monkeypatch):
    folder = source(FILES)
    embedded_for(folder)
    calls.clear()
    for module in ("index.build_cache", "index.inputs"):
        monkeypatch.setattr(f"{module}.code_digest", lambda: "of other code")
    report, embedded = embedded_for(folder)
    assert (report.published, calls["load_document"], calls["split_into_passages"], embedded) == (True, 3, 3, [])


def test_another_chunking_splits_again_and_reads_nothing_again(source, publication, fake_embedder, calls):
    folder = source(FILES)
    build_index(folder, publication, fake_embedder)
    calls.clear()
    build_index(folder, publication, fake_embedder, Chunking(target=30))
    assert (calls["load_document"], calls["split_into_passages"]) == (0, 3)


def test_other_weights_of_the_same_name_get_none_of_the_vectors_that_are_known(source, publication, embedded_for):
    folder = source(FILES)
    embedded_for(folder)
    other = CountingEmbedder(seed="other")
    _, embedded = embedded_for(folder, seed="other")
    assert len(embedded) == 12
    vector = other.embed_passages([text for text in embedded if text.startswith("On apple\n")])[0]
    assert publication.open(other).dense.scores(vector, [0]) == {0: pytest.approx(1)}


def test_of_a_model_that_is_not_identified_no_vector_is_kept(source, publication, embedded_for, fake_embedder):
    folder = source(FILES)
    embedded_for(folder, identity="")
    build_index(folder, publication, fake_embedder)
    source({"new.md": "# New\n\nSomething new."})
    assert len(embedded_for(folder, identity="")[1]) == 15


def test_what_was_embedded_before_a_build_was_killed_is_not_embedded_again(source, publication, embedded_for):
    folder = source(FILES)
    script = """
        import os, signal, sys
        from pathlib import Path
        from index import build
        from index.publication import Publication
        from tests.conftest import FakeEmbedder

        class Killed(FakeEmbedder):
            batches = 0

            def embed_passages(self, texts, batch_size=16):
                self.batches += 1
                if self.batches == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().embed_passages(texts, batch_size)

        build._EMBEDDING_BATCH = 5
        build.build_index(Path(sys.argv[1]), Publication(Path(sys.argv[2])), Killed())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), folder, publication.folder.parent]
    assert subprocess.run(command, cwd=REPO).returncode == -signal.SIGKILL
    report, embedded = embedded_for(folder)
    assert (report.embedded_passages, report.embedded_sentences, len(embedded)) == (0, 2, 2)


def overwrite(path, start, data):
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def flip_every_vector(path):
    connection = sqlite3.connect(path)
    # The sign of one number: a vector still, of the same norm, and wrong.
    rows = connection.execute("SELECT rowid, content FROM entry WHERE length(content) = 128").fetchall()
    for row, content in rows:
        changed = bytes([*content[:3], content[3] ^ 0x80, *content[4:]])
        connection.execute("UPDATE entry SET content = ? WHERE rowid = ?", (changed, row))
    connection.commit()
    connection.close()
    assert len(rows) == 12


def swap_vectors(path):
    connection = sqlite3.connect(path)
    connection.execute("UPDATE entry SET content = (SELECT content FROM entry WHERE length(content) = 128 LIMIT 1)")
    connection.commit()
    connection.close()


def replace_by_a_database_of_something_else(path):
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE entry (name TEXT)")
    connection.close()


DAMAGES = [
    lambda path: path.write_bytes(b"no database at all" * 1_000),
    lambda path: os.truncate(path, path.stat().st_size // 2),
    lambda path: overwrite(path, 4_096, os.urandom(path.stat().st_size - 4_096)),
    lambda path: overwrite(path, 0, b"\0" * 100),
    flip_every_vector,
    swap_vectors,
    replace_by_a_database_of_something_else,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_thrown_away_said_in_one_line_and_made_anew(
    damage, source, publication, fake_embedder, tmp_path
):
    build_index(source(FILES), publication, fake_embedder)
    damage(publication.folder / FILE)
    folder = source({"new.md": "# New\n\nSomething new."})
    report = build_index(folder, publication, fake_embedder)
    assert report.notes == ["The cache cache.sqlite was damaged: it was thrown away and is made anew"]
    anew = Publication(tmp_path / "anew")
    build_index(folder, anew, fake_embedder)
    assert files_of(publication) == files_of(anew)

    source({"new.md": "# New\n\nSomething newer."})
    report = build_index(folder, publication, fake_embedder)
    assert (report.notes, report.embedded_sentences) == ([], 1)


def test_a_cache_that_can_not_be_opened_is_done_without(source, publication, fake_embedder):
    (publication.folder / FILE).mkdir(parents=True)
    report = build_index(source(FILES), publication, fake_embedder)
    assert report.published
    assert report.notes == [
        "The cache cache.sqlite can't be written (unable to open database file): the build goes on without it"
    ]


def test_a_full_disk_does_not_stop_the_build_and_what_was_known_is_still_used(
    source, publication, embedded_for, monkeypatch
):
    folder = source(FILES)
    embedded_for(folder)
    pages = (publication.folder / FILE).stat().st_size // 4_096
    monkeypatch.setattr(build_cache, "_SCHEMA", f"PRAGMA max_page_count = {pages};{build_cache._SCHEMA}")
    source({"long.md": "# Long\n\n" + " ".join(f"This is sentence {number}." for number in range(200))})
    report, embedded = embedded_for(folder)
    assert report.notes == [
        "The cache cache.sqlite can't be written (database or disk is full): the build goes on without it"
    ]
    assert report.added == ["long.md"]
    assert not any("apple" in text for text in embedded)
    monkeypatch.undo()
    source({"new.md": "# New\n\nSomething new."})
    assert build_index(folder, publication, FakeEmbedder()).notes == []


def test_a_vector_that_is_none_is_not_given_out(tmp_path):
    with BuildCache(tmp_path / FILE) as cache:
        for text, vector in {
            "not finite": [float("nan"), 1],
            "not of unit norm": [1, 1],
            "of another dimension": [1, 0, 0],
            "good": [0, 1],
        }.items():
            cache.keep_vectors("model", [text], build.np.array([vector], dtype="f4"))
            found = cache.vector("model", text, 2)
            assert found is None if text != "good" else found.tolist() == vector


def test_the_cache_holds_what_the_last_builds_used_and_no_more(source, publication, fake_embedder):
    folder = source(FILES)
    build_index(folder, publication, fake_embedder)
    always = count_entries(publication)
    counts = []
    for number in range(2 * BUILDS_KEPT):
        source({"new.md": f"# New\n\nThis is edition {number}."})
        build_index(folder, publication, fake_embedder)
        counts.append(count_entries(publication))
    of_new = counts[0] - always
    assert counts[BUILDS_KEPT - 1 :] == [always + of_new + (BUILDS_KEPT - 1) * (of_new - 1)] * (BUILDS_KEPT + 1)


def test_what_was_known_of_a_version_is_known_after_it_is_rolled_back(source, publication, embedded_for):
    folder = source(FILES)
    embedded_for(folder)
    source({"berry.md": "# On berries\n\nThey are blue."})
    embedded_for(folder)
    source(FILES)
    assert embedded_for(folder)[1] == []


def test_a_build_that_a_gate_refused_leaves_what_it_worked_out(source, publication, embedded_for, fake_embedder):
    def refuse(index):
        raise GateError("not good enough")

    with pytest.raises(GateError):
        build_index(source(FILES), publication, fake_embedder, judge=refuse)
    assert embedded_for(source(FILES))[1] == []


def test_without_a_model_a_build_with_nothing_to_do_is_found_out(source, publication, fake_embedder):
    folder, identity = source({**FILES, "empty.txt": ""}), fake_embedder.identity
    assert report_if_unchanged(folder, publication, identity) is None
    built = build_index(folder, publication, fake_embedder)
    report = report_if_unchanged(folder, publication, identity)
    assert (report.published, report.version, report.unchanged) == (False, built.version, sorted(FILES))
    assert report.skipped == built.skipped
    assert report_if_unchanged(folder, publication, "another model") is None
    assert report_if_unchanged(folder, publication, "") is None
    with pytest.raises(InputError, match="does not exist"):
        report_if_unchanged(folder / "gone", publication, identity)


def test_what_was_rolled_back_is_nothing_to_do_for_who_was_not_asked(source, publication, fake_embedder):
    folder, identity = source(FILES), fake_embedder.identity
    first = build_index(folder, publication, fake_embedder).version
    source({"apple.md": "# On apples\n\nThey are green."})
    build_index(folder, publication, fake_embedder)
    publication.roll_back()
    assert report_if_unchanged(folder, publication, identity) is None
    assert report_if_unchanged(folder, publication, identity, settled=True).version == first
    source({"apple.md": "# On apples\n\nThey are yellow."})
    assert report_if_unchanged(folder, publication, identity, settled=True) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "new.md").write_text("New."),
        lambda folder: (folder / "apple.md").unlink(),
        lambda folder: (folder / "apple.md").rename(folder / "pear.md"),
        lambda folder: (folder / "apple.md").write_text(FILES["apple.md"].replace("red", "tan")),
    ],
)
def test_any_change_of_the_sources_is_seen_without_a_model(change, source, publication, fake_embedder):
    folder = source(FILES)
    build_index(folder, publication, fake_embedder)
    change(folder)
    assert report_if_unchanged(folder, publication, fake_embedder.identity) is None


def test_damage_to_the_published_version_is_seen_without_a_model(source, publication, fake_embedder):
    folder = source(FILES)
    version = build_index(folder, publication, fake_embedder).version
    (publication.folder / "versions" / version / "dense.faiss").write_bytes(b"")
    assert report_if_unchanged(folder, publication, fake_embedder.identity) is None


def test_a_document_comes_back_as_it_was_parsed(tmp_path, source):
    table = "<table><tr><th>What</th><th>Fee</th></tr><tr><td>A copy</td><td>1,000</td></tr></table>"
    files = list(read_source_files(source(FILES | {"fees.html": f"<h1>Fees</h1>{table}"})))
    with BuildCache(tmp_path / FILE) as cache:
        parsed, _ = load_documents(files, cache=cache)
        known = [cache.document(file.doc_id, file.digest) for file in files]
    assert known == parsed
    assert any(block.is_header for document in parsed for block in document.blocks)
