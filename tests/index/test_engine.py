import json
import sys
from dataclasses import replace

import pytest

from index.build import build_index
from index.engine import EmbeddedEngine, open_engine
from index.errors import IndexDamaged, IndexMismatch, UsageError
from index.publication import Publication
from tests.index.engine_contract import EngineContract


class TestEmbedded(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls):
        return EmbeddedEngine()


class Elsewhere(EmbeddedEngine):
    kind = "elsewhere"

    def write(self, *given):
        return replace(super().write(*given), engine=self.kind)


def test_a_version_of_another_engine_is_refused_and_built_anew(source, tmp_path, fake_embedder):
    publication = Publication(tmp_path)
    build_index(source({"a.txt": "One."}), publication, fake_embedder)
    other = Publication(tmp_path, engine=Elsewhere())
    with pytest.raises(IndexMismatch, match=r"built for faiss, .* names elsewhere; run: mundap index build"):
        other.open(fake_embedder)
    assert build_index(source({}), other, fake_embedder).published
    other.open(fake_embedder)


def test_versions_of_before_there_were_engines_are_embedded_ones(source, tmp_path, fake_embedder):
    publication = Publication(tmp_path)
    version = build_index(source({"a.txt": "One."}), publication, fake_embedder).version
    path = publication.folder / "versions" / version / "manifest.json"
    values = json.loads(path.read_text())
    del values["stored"], values["digest"]
    path.write_text(json.dumps(values))
    assert publication.open(fake_embedder).manifest.version == version


def test_a_manifest_names_nothing_but_a_store(source, tmp_path, fake_embedder):
    publication = Publication(tmp_path)
    version = build_index(source({"a.txt": "One."}), publication, fake_embedder).version
    path = publication.folder / "versions" / version / "manifest.json"
    values = json.loads(path.read_text())
    values["stored"]["name"] = 'public"; DROP TABLE x'
    del values["digest"]
    path.write_text(json.dumps(values))
    with pytest.raises(IndexDamaged):
        publication.manifest(version)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("", "it must be"),
        ("pinecone", "it must be"),
        ("milvus:", "it must be"),
        ("milvus:http://", "it names no host"),
        ("milvus:http://user:s3cret@host:none", "can't be read"),
        ("postgresql://user:s3cret@host/x?s3cret=1", "can't read"),
        ("postgresql://user:s3cret@host/x host=b:s3cret=1=2", "can't read"),
    ],
)
def test_what_is_no_engine_is_refused_without_repeating_it(setting, problem):
    with pytest.raises(UsageError, match=problem) as raised:
        open_engine(setting)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("setting", "package", "extra"),
    [("postgresql://host/x", "psycopg", "postgres"), ("milvus:http://host", "pymilvus", "milvus")],
)
def test_a_package_that_is_missing_is_named(setting, package, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    for module in ("index.postgres", "index.milvus"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(UsageError, match=rf"pip install .*\[{extra}\]"):
        open_engine(setting)
