"""Which of the questions that the index suggests to show: at the start, and after an answer."""

from collections.abc import Sequence

from index.publication import Suggestion
from server.answer import Answer
from server.conversation import Turn

SHOWN_AT_START = 5
SHOWN_AFTER_AN_ANSWER = 3


def first_questions(suggestions: Sequence[Suggestion], lang: str) -> tuple[str, ...]:
    """Return questions to begin with in the language `lang`, or where there are none in any."""
    fitting = [suggestion for suggestion in suggestions if suggestion.lang == lang] or suggestions
    return tuple(suggestion.question for suggestion in fitting[:SHOWN_AT_START])


def next_questions(suggestions: Sequence[Suggestion], answer: Answer, asked: Sequence[Turn] = ()) -> tuple[str, ...]:
    """Return questions to go on with after `answer`, in its language, of the documents that it cites before others.

    What was `asked`, or is told by the answer, is left out.
    """
    texts = {turn.content for turn in asked}
    near = {cited.doc_id for cited in answer.citations} | {passage.doc_id for passage in answer.related}
    fitting = [
        suggestion
        for suggestion in suggestions
        if suggestion.lang == answer.lang
        and suggestion.question not in texts
        and not any(
            suggestion.doc_id == cited.doc_id and suggestion.start < cited.end and cited.start < suggestion.end
            for cited in answer.citations
        )
    ]
    fitting.sort(key=lambda suggestion: suggestion.doc_id not in near)
    return tuple(suggestion.question for suggestion in fitting[:SHOWN_AFTER_AN_ANSWER])
