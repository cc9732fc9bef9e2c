import json
import subprocess
import sys

import numpy as np
import pytest

from eval.benchmarks.growth import Recombined
from eval.benchmarks.peers.__main__ import DOCUMENTS, Pipeline, write_autorag
from eval.benchmarks.tables import percentiles, print_figures
from eval.datasets import Question, load_dataset
from index.build import build_index
from index.publication import Publication
from tests.conftest import REPO

# A search that ranks documents by the words that they share with the question, and says something that it shouldn't.
PIPELINE = """
from eval.benchmarks.peers.serving import serve

def build(documents):
    print("noise")
    def search(question):
        shared = {name: len(set(text.split()) & set(question.split())) for name, text in documents.items()}
        ranked = sorted(shared, key=lambda name: -shared[name])
        return [ranked[0], *ranked]
    return search

serve(build, ("numpy",))
"""


@pytest.fixture
def pipeline():
    command = [sys.executable, "-c", PIPELINE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", cwd=REPO
    ) as process:
        yield Pipeline("words", process)


def test_a_pipeline_in_a_process_of_its_own_is_built_asked_and_graded(pipeline):
    questions = [
        Question("1", "red apples", "en", "answerable", "answered", relevant=frozenset({"a"})),
        Question("2", "green pears", "en", "answerable", "answered", relevant=frozenset({"c"})),
    ]
    pipeline.build({"a": "apples are red", "b": "pears are green", "c": "plums"})
    pipeline.ask([question.text for question in questions])
    pipeline.ask_together(["plums", "apples", "pears"])
    figures = pipeline.figures("fruit", questions)
    assert pipeline.versions == {"numpy": np.__version__}
    assert pipeline.found == [["a", "b", "c"], ["b", "a", "c"]]
    assert (figures["recall_at_1"], figures["recall_at_5"]) == (0.5, 1.0)
    assert figures["questions_per_second"] > 0 < figures["memory_mb"] <= figures["peak_memory_mb"]


def test_the_agencies_documents_in_both_forms_ask_for_the_same(tmp_path):
    squad, autorag = load_dataset(f"squad:{DOCUMENTS}"), load_dataset(write_autorag(tmp_path))
    asked = {q.text: q.relevant for q in squad.questions if q.relevant}
    assert {q.text for q in autorag.questions} == asked.keys()
    for question in autorag.questions[::100]:
        [doc_id], [other_id] = question.relevant, asked[question.text]
        assert squad.corpus[other_id].endswith(autorag.corpus[doc_id])


def test_made_up_passages_consist_of_real_sentences(source, tmp_path, fake_embedder):
    folder = source({f"{n}.txt": f"Town {n} is old. It has {n} parks. Its mayor is tall." for n in range(5)})
    publication = Publication(tmp_path / "data")
    build_index(folder, publication, fake_embedder)
    index = publication.open(fake_embedder)
    real = index.corpus.passages(range(5))
    passages = Recombined(index, 40)
    sentences = [passage.passage.quote(sentence) for passage in real for sentence in passage.passage.sentences]
    assert len(list(passages)) == len(passages) == 40
    assert [one.passage for one in passages[:5]] == [one.passage for one in real]
    at = 0
    for made in passages:
        quotes = [made.passage.quote(sentence) for sentence in made.passage.sentences]
        assert quotes == [sentences[row] for row in passages.rows[at : at + len(quotes)]]
        assert len(made.sentence_terms) == len(quotes) == 3
        at += len(quotes)
    assert at == len(passages.rows)
    assert len({made.passage.passage_id for made in passages}) == 40


def test_figures_are_printed_for_people_and_for_programs(capsys):
    rows = [{"size": 1, **percentiles("search", [1.0, 2.0, 3.0], 50)}, {"size": 2, "search_ms_p50": 4.5}]
    print_figures(rows)
    *table, as_json = capsys.readouterr().out.splitlines()
    assert json.loads(as_json) == [{"size": 1, "search_ms_p50": 2.0}, {"size": 2, "search_ms_p50": 4.5}]
    assert [line.split() for line in table] == [["size", "1", "2"], ["search_ms_p50", "2.0", "4.5"]]
