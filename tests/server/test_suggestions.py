import pytest

from index.publication import Suggestion
from server.answer import AnswerStatus
from server.conversation import Turn
from server.messages import LANGUAGES
from server.suggestions import first_questions

APEC = "APEC은 언제 창설되었나요?"


def suggested(chat, lang):
    return [suggestion for suggestion in chat.index.manifest.suggestions if suggestion.lang == lang]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_language_has_questions_and_the_chat_answers_them_with_the_sentence_they_were_made_from(chat, lang):
    assert suggested(chat, lang)
    for suggestion in suggested(chat, lang):
        answer = chat.answer_question(suggestion.question)
        assert answer.status is AnswerStatus.ANSWERED
        assert any((c.start, c.end) == (suggestion.start, suggestion.end) for c in answer.citations)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_two_are_answered_by_the_same_sentence(chat, lang):
    places = [(suggestion.doc_id, suggestion.start) for suggestion in suggested(chat, lang)]
    assert len(places) == len(set(places))


def test_what_the_document_does_not_say_is_not_suggested(chat):
    asked = " ".join(suggestion.question for suggestion in suggested(chat, "ko"))
    assert "신청" not in asked
    assert "금액" not in asked


def test_an_answer_suggests_others_than_it_tells(chat):
    first = suggested(chat, "ko")[0].question
    answer = chat.answer_question(first)
    assert answer.suggestions
    assert first not in answer.suggestions
    cited = [(citation.start, citation.end) for citation in answer.citations]
    for suggestion in suggested(chat, "ko"):
        if suggestion.question in answer.suggestions:
            assert not any(start < suggestion.end and suggestion.start < end for start, end in cited)


def test_what_was_asked_before_is_not_suggested_again(chat):
    once = chat.answer_question(APEC).suggestions
    again = chat.answer_question(APEC, [Turn("user", once[0]), Turn("assistant", "…")]).suggestions
    assert once[0] not in again


def test_they_come_in_the_language_of_the_asker(chat):
    english = {suggestion.question for suggestion in suggested(chat, "en")}
    assert set(chat.answer_question("Hello!").suggestions) <= english
    assert chat.answer_question("Hello!").suggestions


def test_a_page_in_a_language_without_any_shows_those_of_another():
    only = Suggestion("질문?", "ko", "a.txt", 0, 2)
    assert first_questions([only], "vi") == ("질문?",)
    assert first_questions([], "vi") == ()


def test_the_page_begins_with_them_and_the_form_asks_them(client, chat):
    first = suggested(chat, "ko")[0].question
    assert f'value="{first}"' in client.get("/").text
