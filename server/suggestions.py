"""Which of the questions that the index suggests to show: at the start, and after an answer."""

from collections.abc import Sequence

from index.publication import Suggestion
from server.answer import Answer
from server.conversation import Turn

SHOWN_AT_START = 5
SHOWN_AFTER_AN_ANSWER = 3
# More than are shown: chat.js leaves out what it has shown before.
OFFERED_AFTER_AN_ANSWER = 8


def first_questions(suggestions: Sequence[Suggestion], lang: str) -> tuple[str, ...]:
    """Return questions to begin with in the language `lang`, or where there are none in any."""
    fitting = [suggestion for suggestion in suggestions if suggestion.lang == lang] or suggestions
    return tuple(suggestion.question for suggestion in fitting[:SHOWN_AT_START])


def next_questions(suggestions: Sequence[Suggestion], answer: Answer, asked: Sequence[Turn] = ()) -> tuple[str, ...]:
    """Return questions to go on with after `answer`, in its language, of the documents that it cites before others.

    What was `asked`, or is told by the answer or by an earlier one, in whatever words it was asked for, is left out.
    Each answer begins with others than the one before it, and the first with others than the start.
    """
    near = {cited.doc_id for cited in answer.citations} | {passage.doc_id for passage in answer.related}
    spoken = [suggestion for suggestion in suggestions if suggestion.lang == answer.lang]
    answered = sum(turn.role == "assistant" for turn in asked)
    by = SHOWN_AT_START + SHOWN_AFTER_AN_ANSWER * answered
    ordered = [
        *_rotated([suggestion for suggestion in spoken if suggestion.doc_id in near], by),
        *_rotated([suggestion for suggestion in spoken if suggestion.doc_id not in near], by),
    ]
    fitting = [suggestion for suggestion in ordered if not _is_known(suggestion, answer, asked)]
    return tuple(suggestion.question for suggestion in fitting[:OFFERED_AFTER_AN_ANSWER])


def _rotated(suggestions: list[Suggestion], by: int) -> list[Suggestion]:
    start = by % len(suggestions) if suggestions else 0
    return suggestions[start:] + suggestions[:start]


def _is_known(suggestion: Suggestion, answer: Answer, asked: Sequence[Turn]) -> bool:
    if any(
        suggestion.doc_id == cited.doc_id and suggestion.start < cited.end and cited.start < suggestion.end
        for cited in answer.citations
    ):
        return True
    told = [suggestion.question, *([suggestion.quote] if suggestion.quote else [])]
    return any(text in turn.content for turn in asked for text in told)
