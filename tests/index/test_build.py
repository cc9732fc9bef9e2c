import errno
import signal
import subprocess
import sys
import textwrap
from unittest.mock import Mock

import pytest

from index import build
from index.build import build_if_stale, build_index
from index.chunking import Chunking
from index.errors import GateError, IndexDamaged, InputError, PublishedIndexError
from index.loaders import LOADERS
from index.publication import Publication
from tests.conftest import REPO, FakeEmbedder

FILES = {"a.txt": "Apples are red. They grow on trees.", "b.md": "# Bees\n\nBees make honey."}


@pytest.fixture
def publication(tmp_path):
    return Publication(tmp_path / "data")


def texts(publication, embedder):
    corpus = publication.open(embedder).corpus
    return {summary.doc_id: corpus.document(summary.doc_id).text for summary in corpus.documents()}


def folders(publication):
    return sorted(path.name for path in (publication.folder / "versions").iterdir())


def test_a_build_publishes_what_the_source_folder_holds(source, publication, fake_embedder):
    report = build_index(source(FILES), publication, fake_embedder)
    assert (report.published, report.added, report.passages, report.sentences) == (True, ["a.txt", "b.md"], 2, 4)
    assert publication.current_version() == report.version
    assert texts(publication, fake_embedder) == {"a.txt": FILES["a.txt"], "b.md": "Bees\n\nBees make honey."}


def test_the_manifest_says_what_built_the_version(source, publication, fake_embedder):
    manifest = publication.manifest(build_index(source(FILES), publication, fake_embedder).version)
    assert (manifest.embedding_model, manifest.dimension) == ("fake", 32)
    assert manifest.chunking["target"] == Chunking().target
    assert {"kiwipiepy", "tantivy", "faiss-cpu", "sentence-transformers"} <= manifest.packages.keys()
    assert {"corpus.sqlite", "dense.faiss", "sentence_vectors.npy", "lexical/meta.json"} <= manifest.files.keys()


def test_the_report_tells_what_became_of_each_file(source, publication, fake_embedder):
    build_index(source({**FILES, "c.txt": "Cats sleep."}), publication, fake_embedder)
    new = {"a.txt": "Apples are green.", "d.txt": "Dogs bark.", "e.txt": "Dogs bark.", "f.rst": "x", "g.txt": ""}
    folder = source(new)
    (folder / "c.txt").unlink()
    report = build_index(folder, publication, fake_embedder)
    assert (report.added, report.changed) == (["d.txt"], ["a.txt"])
    assert (report.removed, report.unchanged) == (["c.txt"], ["b.md"])
    assert report.skipped == {
        "e.txt": "the same text as d.txt",
        "f.rst": f"the format .rst is not supported ({', '.join(LOADERS)} are)",
        "g.txt": "the file is empty",
    }
    assert publication.manifest(report.version).skipped == report.skipped


def test_a_build_with_nothing_changed_does_nothing(source, publication, fake_embedder):
    folder = source({**FILES, "empty.txt": ""})
    first = build_index(folder, publication, fake_embedder)
    second = build_index(folder, publication, fake_embedder)
    assert not second.published
    assert folders(publication) == [first.version] == [second.version]
    assert (second.unchanged, second.skipped) == (["a.txt", "b.md"], first.skipped)


@pytest.mark.parametrize(
    ("embedder", "chunking"),
    [
        (FakeEmbedder(name="other"), Chunking()),
        (FakeEmbedder(dimension=16), Chunking()),
        (FakeEmbedder(seed="other weights"), Chunking()),
        (FakeEmbedder(), Chunking(target=100)),
    ],
)
def test_another_model_or_chunking_builds_anew(embedder, chunking, source, publication, fake_embedder):
    build_index(source(FILES), publication, fake_embedder)
    assert build_index(source(FILES), publication, embedder, chunking).published
    assert publication.open(embedder).manifest.dimension == embedder.dimension


def test_a_renamed_file_builds_anew_and_is_told_as_such(source, publication, fake_embedder):
    folder = source(FILES)
    build_index(folder, publication, fake_embedder)
    (folder / "a.txt").rename(folder / "z.txt")
    report = build_index(folder, publication, fake_embedder)
    assert (report.renamed, report.added, report.removed) == ({"z.txt": "a.txt"}, [], [])
    assert report.unchanged == ["b.md"]
    assert texts(publication, fake_embedder).keys() == {"b.md", "z.txt"}


def test_a_folder_without_a_readable_document_is_refused_and_the_old_version_stays(source, publication, fake_embedder):
    folder = source({"a.txt": "Apples."})
    old = build_index(folder, publication, fake_embedder)
    source({"a.txt": b"\0\1\2"})
    with pytest.raises(InputError, match=r"no document that can be read \(a.txt: not a text file\)"):
        build_index(folder, publication, fake_embedder)
    (folder / "a.txt").unlink()
    with pytest.raises(InputError, match=r"no document that can be read \(it is empty\)"):
        build_index(folder, publication, fake_embedder)
    assert folders(publication) == [old.version]


def test_progress_of_each_step_ends_with_all_done(source, publication, fake_embedder):
    last = {}
    build_index(source(FILES), publication, fake_embedder, progress=lambda step, *counts: last.update({step: counts}))
    assert last == {"Reading": (2, 2), "Splitting": (2, 2), "Embedding": (6, 6), "Analysing": (2, 2)}


def test_what_a_sentence_is_about_is_embedded_and_searched_with_it(source, publication, fake_embedder, monkeypatch):
    embedded = []
    embed = fake_embedder.embed_passages
    monkeypatch.setattr(fake_embedder, "embed_passages", lambda texts: embedded.extend(texts) or embed(texts))
    build_index(source({"t.txt": "name\tphone\nkim\tnone\n"}), publication, fake_embedder)
    assert any(text.endswith("name phone\nkim\tnone") for text in embedded)
    [stored] = publication.open(fake_embedder).corpus.passages([0])
    assert stored.sentence_terms[1] == {"name", "phone", "kim", "none"}


def test_an_index_is_judged_before_it_is_published(source, publication, fake_embedder):
    old = build_index(source(FILES), publication, fake_embedder)
    judged = []

    def judge(index):
        judged.append(index.corpus.document("new.txt").text)
        raise GateError("worse than before")

    with pytest.raises(GateError):
        build_index(source({"new.txt": "Something new."}), publication, fake_embedder, judge=judge)
    assert judged == ["Something new."]
    assert folders(publication) == [publication.current_version()] == [old.version]


@pytest.mark.parametrize(
    "step",
    [
        "index.build.load_document",
        "index.build.split_into_passages",
        "tests.conftest.FakeEmbedder.embed_passages",
        "index.build.search_terms",
        "index.lexical.Bm25Store.write",
        "index.dense.FaissStore.write",
        "index.build.write_corpus",
        "index.build.file_digests",
        "index.build.Publication.publish",
        "index.publication._sync",
        "index.publication.Publication._point_to",
    ],
)
def test_a_failure_at_any_step_leaves_the_old_version_published(step, source, publication, fake_embedder, monkeypatch):
    old = build_index(source(FILES), publication, fake_embedder)
    folder = source({"new.txt": "Something new."})
    with monkeypatch.context() as patch:
        patch.setattr(step, Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises((InputError, OSError), match="No space left"):
            build_index(folder, publication, fake_embedder)
    assert publication.open(fake_embedder).manifest.version == old.version
    new = build_index(folder, publication, fake_embedder)
    assert new.added == ["new.txt"]
    assert publication.open(fake_embedder).manifest.version == new.version
    assert folders(publication) == sorted(manifest.version for manifest in publication.versions())


@pytest.mark.parametrize(
    "step",
    ["FakeEmbedder.embed_passages", "build.write_corpus", "build.file_digests", "Publication._point_to"],
)
def test_a_build_killed_in_the_middle_leaves_the_old_version_served(step, source, publication, fake_embedder):
    folder = source(FILES)
    old = build_index(folder, publication, fake_embedder)
    source({"new.txt": "Something new."})
    script = f"""
        import os, signal, sys
        from pathlib import Path
        from index import build
        from index.publication import Publication
        from tests.conftest import FakeEmbedder
        embedder, publication = FakeEmbedder(), Publication(Path(sys.argv[2]))
        {step} = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
        build.build_index(Path(sys.argv[1]), publication, embedder)
    """
    data_dir = publication.folder.parent
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script), folder, data_dir], cwd=REPO)
    assert killed.returncode == -signal.SIGKILL
    assert publication.open(fake_embedder).manifest.version == old.version
    new = build_index(folder, publication, fake_embedder)
    assert publication.open(fake_embedder).manifest.version == new.version
    assert folders(publication) == sorted(manifest.version for manifest in publication.versions())


def test_of_two_builds_at_once_the_second_is_told_to_wait(source, publication, fake_embedder, monkeypatch):
    folder = source(FILES)
    write_corpus = build.write_corpus

    def build_meanwhile(*parts):
        with pytest.raises(InputError, match="Another process is building the index; wait until it is done"):
            build_index(folder, Publication(publication.folder.parent), fake_embedder)
        write_corpus(*parts)

    monkeypatch.setattr(build, "write_corpus", build_meanwhile)
    assert build_index(folder, publication, fake_embedder).published
    assert len(texts(publication, fake_embedder)) == 2


def test_a_damaged_version_is_built_anew(source, publication, fake_embedder):
    version = build_index(source(FILES), publication, fake_embedder).version
    (publication.folder / "versions" / version / "dense.faiss").write_bytes(b"")
    with pytest.raises(PublishedIndexError):
        publication.open(fake_embedder)
    assert build_index(source(FILES), publication, fake_embedder).published
    assert len(texts(publication, fake_embedder)) == 2


def refuse(index):
    raise GateError("not good enough")


def test_a_stale_index_is_built_and_a_fresh_one_is_left_alone(source, tmp_path, fake_embedder):
    publication, folder = Publication(tmp_path / "data"), source({"a.txt": "첫째 문서이다."})
    assert build_if_stale(folder, publication, fake_embedder)[1].added == ["a.txt"]
    assert build_if_stale(folder, publication, fake_embedder)[1] is None
    source({"a.txt": "고친 문서이다."})
    assert build_if_stale(folder, publication, fake_embedder)[1].changed == ["a.txt"]


def test_what_a_gate_refused_is_not_built_again_until_a_source_changes(source, tmp_path, fake_embedder):
    publication, folder = Publication(tmp_path / "data"), source({"a.txt": "첫째 문서이다."})
    good = build_index(folder, publication, fake_embedder).version
    source({"b.txt": "둘째 문서이다."})
    with pytest.raises(GateError):
        build_index(folder, publication, fake_embedder, judge=refuse)
    assert build_if_stale(folder, publication, fake_embedder)[1] is None
    assert publication.current_version() == good
    source({"b.txt": "고친 둘째 문서이다."})
    assert build_if_stale(folder, publication, fake_embedder)[1].published


def test_a_rollback_stays_until_a_source_changes(source, tmp_path, fake_embedder):
    publication, folder = Publication(tmp_path / "data"), source({"a.txt": "첫째 문서이다."})
    first = build_index(folder, publication, fake_embedder).version
    source({"a.txt": "고친 문서이다."})
    build_index(folder, publication, fake_embedder)
    publication.roll_back()
    assert build_if_stale(folder, publication, fake_embedder)[1] is None
    assert publication.current_version() == first


def test_a_damaged_index_is_refused_and_not_silently_replaced(source, tmp_path, fake_embedder):
    publication, folder = Publication(tmp_path / "data"), source({"a.txt": "첫째 문서이다."})
    version = build_index(folder, publication, fake_embedder).version
    (publication.folder / "versions" / version / "corpus.sqlite").write_bytes(b"")
    with pytest.raises(IndexDamaged, match="run: mundap index build"):
        build_if_stale(folder, publication, fake_embedder)
    assert build_index(folder, publication, fake_embedder).published


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"20990101T000000Z-none", b"../.."])
def test_a_start_builds_anew_where_the_pointer_tells_nothing(source, tmp_path, fake_embedder, content):
    publication, folder = Publication(tmp_path / "data"), source({"a.txt": "첫째 문서이다."})
    build_if_stale(folder, publication, fake_embedder)
    (publication.folder / "current").write_bytes(content)
    index, report = build_if_stale(folder, publication, fake_embedder)
    assert report.published
    assert publication.current_version() == index.manifest.version
    assert len(texts(publication, fake_embedder)) == 1


def test_what_is_whole_is_opened_where_the_published_version_is_not(source, tmp_path, fake_embedder):
    publication, folder = Publication(tmp_path / "data"), source({"a.txt": "첫째 문서이다."})
    first = build_index(folder, publication, fake_embedder).version
    source({"a.txt": "고친 문서이다."})
    second = build_index(folder, publication, fake_embedder).version
    assert publication.open_newest(fake_embedder).manifest.version == second
    (publication.folder / "versions" / second / "corpus.sqlite").write_bytes(b"")
    assert publication.open_newest(fake_embedder).manifest.version == first
    (publication.folder / "versions" / first / "corpus.sqlite").write_bytes(b"")
    assert publication.open_newest(fake_embedder) is None
