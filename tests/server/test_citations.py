import json
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from index.build import build_index
from index.errors import InputError
from index.publication import Publication
from index.retriever import Retriever
from server.app import create_app
from server.chat import Chat
from server.settings import Settings
from tests.server.pages import marked_text

REPO = Path(__file__).resolve().parents[2]
GOLD = [json.loads(line) for line in (REPO / "eval" / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
ANSWERABLE = [question for question in GOLD if question["expect"] == "answered"]


def ask(client, question, history=()):
    response = client.post("/api/chat", json={"question": question, "history": list(history)})
    assert response.status_code == 200
    return response.json()


def check_answered(client, reply):
    sentences, citations = reply["sentences"], reply["citations"]
    assert 1 <= len(sentences) <= 3
    assert [citation["n"] for citation in citations] == list(range(1, len(citations) + 1))
    assert [sentence["citations"] for sentence in sentences] == [[n] for n in range(1, len(citations) + 1)]
    assert [sentence["text"] for sentence in sentences] == [citation["quote"] for citation in citations]
    assert reply["answer"] == " ".join(f"{c['quote']} [{c['n']}]" for c in citations)
    places = [(citation["doc_id"], citation["start"], citation["end"]) for citation in citations]
    assert places == sorted(places)
    for citation in citations:
        document = client.get(f"/api/documents/{quote(citation['doc_id'], safe='/')}").json()
        assert citation["quote"]
        assert citation["quote"] == document["text"][citation["start"] : citation["end"]]
        assert citation["title"] == document["title"]
        page = client.get(citation["url"])
        assert page.status_code == 200
        assert marked_text(page.text).replace("\t", "") == citation["quote"].replace("\t", "")


@pytest.mark.parametrize("lang", ["ko", "en", "ja", "zh", "vi"])
def test_every_answer_to_a_gold_question_is_cited_verbatim(client, lang):
    questions = [question for question in ANSWERABLE if question["lang"] == lang]
    plain = [question for question in questions if not question["history"]][:25]
    followups = [question for question in questions if question["history"]]
    replies = [ask(client, question["question"], question["history"]) for question in plain + followups]
    answered = [reply for reply in replies if reply["status"] == "answered"]
    assert len(answered) >= len(replies) / 5
    for reply in answered:
        check_answered(client, reply)


WORDS = st.text(alphabet="가나다라마한국은는abcDEF0123日本のは中国ếđ<>&\"'*_|`[]😀\u0301", min_size=1, max_size=7)
SENTENCES = st.builds(
    lambda words, end: " ".join(words) + end,
    st.lists(WORDS, min_size=1, max_size=7),
    st.sampled_from([".", "다.", "。", "?", ""]),
)
LINES = st.one_of(
    st.lists(SENTENCES, min_size=1, max_size=4).map(" ".join),
    st.builds("{}{}".format, st.sampled_from(["# ", "- ", "* ", "1. ", "> ", "\t", "  "]), SENTENCES),
    st.lists(SENTENCES, min_size=2, max_size=4).map("\t".join),
    st.lists(SENTENCES, min_size=2, max_size=3).map(
        lambda cells: f"|{'|'.join(cells)}|\n|{'|'.join(['-'] * len(cells))}|"
    ),
)
LINE_ENDS = st.sampled_from(["\n", "\n\n", "\r\n", "\x0c", "\u2028"])
TEXTS = st.lists(st.builds(str.__add__, LINES, LINE_ENDS), min_size=1, max_size=8).map("".join)
NAMES = st.sampled_from(["plain.txt", "한글 이름.txt", "in a folder/50% #1?.txt", "table.md", "a&b <i>.md"])


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=3), st.data())
def test_every_answer_from_any_documents_is_cited_verbatim(fake_embedder, answer_anything, files, data):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        answer_anything(patch)
        for name, text in files.items():
            path = Path(folder, "source", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        publication = Publication(Path(folder))
        try:
            build_index(Path(folder, "source"), publication, fake_embedder)
        except InputError:
            assume(False)
        chat = Chat(Retriever(publication.open(fake_embedder), fake_embedder))
        words = st.sampled_from(" ".join(files.values()).split())
        questions = data.draw(st.lists(st.lists(words, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=4))
        with TestClient(create_app(Settings(_env_file=None), chat)) as client:
            for question in questions:
                reply = ask(client, question)
                assert reply["status"] not in ("related", "not_found") or not reply["citations"]
                if reply["status"] == "answered":
                    check_answered(client, reply)


def test_a_footnote_answers_when_apec_was_founded(client):
    reply = ask(client, "APEC은 언제 창설되었나요?")
    assert reply["status"] == "answered"
    assert "1989년 창설된" in reply["answer"]


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("추은경 주무관 전화번호 알려 주세요", "추은경 (044-202-4348)"),
        ("국제협력관 책임자 이경림 과장의 전화번호는?", "이경림 (044-202-4340)"),
    ],
)
def test_a_row_of_the_contact_table_is_cited_whole(client, question, row):
    reply = ask(client, question)
    assert reply["status"] == "answered"
    assert any(row in citation["quote"] for citation in reply["citations"])
    check_answered(client, reply)


@pytest.mark.parametrize(
    "question", ["김치찌개 맛있게 끓이는 법 알려줘", "Give me a recipe for banana bread.", "今天北京天气怎么样？"]
)
def test_what_the_documents_do_not_hold_is_not_answered(client, question):
    reply = ask(client, question)
    assert reply["status"] in ("related", "not_found")
    assert reply["citations"] == reply["sentences"] == []


@pytest.mark.parametrize("followup", ["언제 창설되었나요?", "언제 만들어졌는데요?"])
def test_a_followup_is_answered_from_what_was_asked_before(client, followup):
    before = ask(client, "APEC이 뭐예요?")
    history = [{"role": "user", "content": "APEC이 뭐예요?"}, {"role": "assistant", "content": before["answer"]}]
    reply = ask(client, followup, history)
    assert reply["status"] == "answered"
    assert any("1989년 창설된" in citation["quote"] for citation in reply["citations"])
