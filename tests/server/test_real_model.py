import subprocess
import sys
import time
from contextlib import closing, contextmanager

import openai
import pytest
from fastapi.testclient import TestClient

from eval.metrics import altered_numbers
from server.answer import Answer, AnswerSentence, AnswerStatus
from server.answerers.generative import Writer, load_prompt
from server.answerers.language_model import LanguageModel
from server.app import create_app
from server.chat import Chat
from tests.conftest import REPO
from tests.server.real_model import FREE
from tests.server.test_chat_api import events

QUESTIONS = [
    "APEC은 언제 창설되었나요?",
    "한미 과학기술공동위원회는 내년에 어디에서 열리나요?",
    "양해각서는 언제 체결했나요?",
    "담당 사무관은 누구인가요?",
    "When was APEC founded?",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("model")


@contextmanager
def serving_model(folder, *options):
    command = [sys.executable, "-m", "tests.server.real_model", str(folder), *options]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield f"{process.stdout.readline().strip()}/v1"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def address(folder):
    with serving_model(folder) as address:
        yield address


@pytest.fixture(scope="module")
def written(chat, address):
    with writing(chat, address) as written:
        yield written


@contextmanager
def writing(chat, address, seconds=120):
    with closing(LanguageModel(address, "gemma", budget_seconds=seconds)) as model:
        yield Chat(chat.retriever, chat.reader, Writer(model, chat.retriever.embedder))


@pytest.fixture(scope="module")
def answers(written):
    """All events of each question, in order."""
    return {question: list(written.answer_events(question)) for question in QUESTIONS}


def test_the_server_speaks_the_protocol(address):
    with openai.OpenAI(base_url=address, api_key="-") as client:
        prompt = [{"role": "user", "content": "대한민국의 수도는"}]
        stream = client.chat.completions.create(model="gemma", messages=prompt, max_tokens=8, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def assert_that_it_holds(chat, answer):
    assert isinstance(answer, Answer)
    assert answer.status is AnswerStatus.ANSWERED
    assert (answer.mode == "extractive") == bool(answer.notice and answer.notice.code == "not_written")
    for citation in answer.citations:
        assert chat.document(citation.doc_id).text[citation.start : citation.end] == citation.quote
    for sentence in answer.sentences:
        quotes = [citation.quote for citation in answer.citations if citation.n in sentence.citations]
        assert quotes
        assert not altered_numbers(sentence.text, quotes)
        assert not load_prompt().is_quoted_in(sentence.text)


@pytest.mark.parametrize("question", QUESTIONS)
def test_whatever_a_real_model_writes_the_answer_holds(chat, answers, question):
    *_, answer = answers[question]
    assert_that_it_holds(chat, answer)
    assert [event for event in answers[question] if isinstance(event, AnswerSentence)] == list(answer.sentences)


def test_a_sentence_that_the_documents_support_is_shown_and_one_that_they_do_not_is_not(answers):
    modes = [events[-1].mode for events in answers.values()]
    assert {"generative", "extractive"} == set(modes)


def test_its_answers_come_as_events_of_the_interface(settings, written):
    # A machine that is busy with other things gives the model little of itself.
    patient = settings.model_copy(update={"time_budget_seconds": 120.0})
    with TestClient(create_app(patient, written)) as client:
        names = [name for name, _ in events(client, QUESTIONS[0])]
        assert (names[0], names[-1]) == ("status", "done")
        assert {"citation", "delta"} <= set(names)


def test_a_model_that_has_no_time_is_not_waited_for(chat, address):
    with writing(chat, address, seconds=0.05) as written:
        answer = written.answer_question(QUESTIONS[0])
    assert (answer.mode, answer.notice.code) == ("extractive", "not_written")


def test_a_model_that_is_kept_to_no_form_and_never_ends_is_stopped_in_time(chat, folder):
    with serving_model(folder, FREE) as address, writing(chat, address, seconds=20) as written:
        for question in QUESTIONS[:2]:
            began = time.monotonic()
            answer = written.answer_question(question)
            assert_that_it_holds(chat, answer)
            # As long as the model may take, and an extractive answer on a busy machine.
            assert time.monotonic() - began < 40
