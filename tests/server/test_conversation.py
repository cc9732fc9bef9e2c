import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import QuestionError
from server.conversation import MAX_QUESTION_CHARACTERS, Turn, asker_language, clean_question, standalone_question


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("APEC은 언제 창설되었나요?", "ko"),
        ("When was APEC founded?", "en"),
        ("APECはいつ設立されましたか？", "ja"),
        ("アペックとは", "ja"),
        ("亚太经合组织是什么时候成立的？", "zh"),
        ("APEC được thành lập khi nào?", "vi"),
        ("Quand l'APEC a-t-elle été fondée ?", "en"),
        ("Когда была основана АТЭС?", "en"),
        ("APEC?", "en"),
        ("123", "en"),
    ],
)
def test_the_language_is_that_of_the_question(question, language):
    assert asker_language(question) == language


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("ko", "ko"),
        ("ko-KR", "ko"),
        ("JA-jp", "ja"),
        ("zh-Hans", "zh"),
        ("fr", "en"),
        ("en-US", "en"),
        (None, "ko"),
        ("", "ko"),
    ],
)
def test_a_language_that_is_asked_for_is_taken_and_an_unknown_one_is_english(wanted, language):
    assert asker_language("안녕하세요", wanted) == language


@given(st.text(max_size=MAX_QUESTION_CHARACTERS + 10))
def test_a_cleaned_question_is_short_visible_and_stays_as_it_is(text):
    try:
        cleaned = clean_question(text)
    except QuestionError:
        return
    assert cleaned == cleaned.strip() != ""
    assert not {unicodedata.category(character) for character in cleaned} & {"Cc", "Cf", "Cs", "Co"}
    assert len(cleaned) > MAX_QUESTION_CHARACTERS or clean_question(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  APEC은\n\t언제?  ", "APEC은 언제?"),
        ("AP\u200bEC\ufeff?", "APEC?"),
        ("A\x00B", "A B"),
        ("\u1112\u1161\u11ab국", "한국"),
        ("\u202eAPEC", "APEC"),
    ],
)
def test_a_question_is_cleaned_of_what_nobody_sees(text, cleaned):
    assert clean_question(text) == cleaned


def conversation(*questions):
    return [turn for question in questions for turn in (Turn("user", question), Turn("assistant", "Seoul."))]


@pytest.mark.parametrize(
    ("before", "question"),
    [
        ("APEC이 뭐예요?", "언제 만들어졌는데요?"),
        ("What is APEC?", "When was it founded?"),
        ("APECとは何ですか？", "それはいつ設立されましたか？"),
        ("APEC是什么？", "它是什么时候成立的？"),
        ("APEC là gì?", "Nó được thành lập khi nào?"),
    ],
)
def test_a_followup_gets_the_subject_of_the_question_before(before, question):
    standalone = standalone_question(question, conversation(before))
    assert standalone.endswith(question)
    assert "APEC" in standalone
    assert "Seoul" not in standalone


def test_a_followup_does_not_carry_over_what_the_question_before_wanted_to_know():
    asked = [Turn("user", "양해각서 체결 날짜가 언제인가요?"), Turn("assistant", "…")]
    standalone = standalone_question("누가 참석하나요?", asked)
    assert "양해각서" in standalone
    assert "날짜" not in standalone


def test_a_followup_of_a_followup_gets_the_subject_too():
    assert "APEC" in standalone_question("왜요?", conversation("APEC이 뭐예요?", "언제요?"))


@pytest.mark.parametrize(
    "question",
    [
        "한미 과학기술공동위원회는 어디에서 개최되나요?",
        "Who signed the Technology Prosperity Deal for the United States?",
    ],
)
def test_a_question_that_stands_alone_is_left_as_it_is(question):
    assert standalone_question(question, conversation("APEC이 뭐예요?")) == question


@pytest.mark.parametrize("history", [[], [Turn("assistant", "APEC")], conversation("뭐예요?")])
def test_a_followup_to_nothing_is_left_as_it_is(history):
    assert standalone_question("언제요?", history) == "언제요?"
