import pytest

from index.publication import Suggestion
from server.answer import Answer, AnswerStatus, Citation
from server.conversation import Turn
from server.messages import LANGUAGES
from server.suggestions import SHOWN_AFTER_AN_ANSWER, first_questions, next_questions

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


# ----- which come after an answer


def stub(n, lang="ko", doc_id="a.txt", quote=""):
    return Suggestion(f"질문 {lang} {doc_id} {n}?", lang, doc_id, n * 10, n * 10 + 5, quote)


def replied(lang="ko", *cited):
    citations = tuple(Citation(n, doc_id, "", "", start, start + 5, "") for n, (doc_id, start) in enumerate(cited, 1))
    return Answer("", AnswerStatus.ANSWERED, lang, "", "", citations=citations)


def test_a_sentence_that_an_earlier_answer_quoted_is_not_suggested_whatever_the_words_it_was_asked_in():
    told, other = stub(1, quote="1989년에 창설되었다."), stub(2, quote="서울에서 열린다.")
    asked = [Turn("user", "언제 만들어졌어?"), Turn("assistant", "1989년에 창설되었다. [1] 그렇다. [2]")]
    assert next_questions([told, other], replied(), asked) == (other.question,)
    assert next_questions([told], replied(), asked) == ()


def test_each_answer_begins_with_others_than_the_one_before_and_the_first_with_others_than_the_start():
    every = [stub(n) for n in range(11)]
    shown = [first_questions(every, "ko")]
    asked = []
    for _ in range(2):
        shown.append(next_questions(every, replied(), asked)[:SHOWN_AFTER_AN_ANSWER])
        asked += [Turn("user", "?"), Turn("assistant", "…")]
    assert sorted(question for some in shown for question in some) == sorted(one.question for one in every)


def test_questions_of_the_cited_document_come_first():
    every = [stub(n, doc_id=doc_id) for n in range(3) for doc_id in ("a.txt", "b.txt")]
    after = next_questions(every, replied("ko", ("b.txt", 90)))
    assert ["b.txt" in question for question in after] == [True] * 3 + [False] * 3


def test_an_index_that_was_built_before_quotes_were_kept_still_suggests():
    asked = [Turn("user", "언제?"), Turn("assistant", "1989년")]
    assert next_questions([stub(1)], replied(), asked) == (stub(1).question,)


def test_what_an_answer_told_is_not_suggested_in_another_language_either(chat):
    in_english = {one.start for one in suggested(chat, "en")}
    first = next(one for one in suggested(chat, "ko") if one.start in in_english)
    answer = chat.answer_question(first.question)
    asked = [Turn("user", first.question), Turn("assistant", answer.text)]
    told = {one.question for one in suggested(chat, "en") if one.quote in answer.text}
    assert told
    assert not told & set(chat.answer_question("Hello!", asked).suggestions)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_there_are_at_least_three_in_each_language(chat, lang):
    assert len(suggested(chat, lang)) >= 3


def test_a_question_about_a_name_is_not_answered_by_a_note_on_another_word(chat):
    for suggestion in chat.index.manifest.suggestions:
        assert not ("MOU" in suggestion.question and suggestion.quote.startswith("* Asia-Pacific"))
