"""What the reader learns from: questions with the passages that the product's own search finds for them.

One passage answers; the others are hard negatives of the same article, of similar ones, or of none. In a third of the
steps the one that answers is left out, and nothing answers. Questions that a set marks as unanswerable (SQuAD 2.0) are
the hardest: they were written to be close.
"""

import random
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from eval.datasets import Dataset, load_gold, squeeze
from eval.training_corpora import FOLDS, HELD_OUT, fold_of
from index.documents import Passage
from index.reader.encoding import EncodedPair, encode_pair
from index.retriever import Retriever
from server.conversation import Turn, clean_question, standalone_question

PASSAGES = 8
HIDDEN_SHARE = 0.3
GOLD = "gold"


@dataclass(frozen=True, slots=True)
class LabelledPassage:
    """A passage that was found for a question: which of its sentences answer, and whether it may be read as negative.

    A passage that isn't known to answer but holds the wording of the answer is neither.
    """

    passage: Passage
    answers: tuple[bool, ...]
    is_negative: bool


@dataclass(frozen=True, slots=True)
class ReadingExample:
    """One question with the passages that search found for it, best first, and the wordings that answer it.

    `source` is the set that it is of, `written_apart` whether that set marks questions as unanswerable: its questions
    were then not written from the sentences that answer them.
    """

    question: str
    language: str
    source: str
    fold: int
    keys: tuple[str, ...]
    passages: tuple[LabelledPassage, ...]
    written_apart: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """What is read for one question in one step: encoded pairs, and by pair which sentences and tokens answer."""

    pairs: list[EncodedPair]
    answers: list[list[bool]]
    spans: list[list[tuple[int, int]]]


def reading_examples(dataset: Dataset, retriever: Retriever) -> Iterator[ReadingExample]:
    """Yield what search finds for each question of a dataset in SQuAD's form; of unanswerable ones all is negative.

    A sentence answers when the answer stands at its place in it; where no places are told, when its wording does.
    Questions written apart often leave their subject unsaid, so their own article is searched alone before the rest.
    Paragraphs of the fold that is held out are found for its own questions alone.
    """
    written_apart = any(question.kind == "impossible" for question in dataset.questions)
    topics = {question.topic for question in dataset.questions}
    held_out = {doc_id for topic in topics if fold_of(topic) == HELD_OUT for doc_id in dataset.documents_of(topic)}
    for question in dataset.questions:
        fold = fold_of(question.topic)
        hidden = set() if fold == HELD_OUT else held_out
        keys = tuple(key for group in question.keys for key in group)
        squeezed = [squeeze(key) for key in keys]
        hits = retriever.search(question.text, PASSAGES, exclude=hidden).hits
        if written_apart:
            others = dataset.corpus.keys() - set(dataset.documents_of(question.topic))
            own = retriever.search(question.text, PASSAGES, exclude=others).hits
            hits = tuple({hit.passage.passage_id: hit for hit in (*own, *hits)}.values())[:PASSAGES]
        passages = []
        for hit in hits:
            texts = [squeeze(hit.passage.quote(sentence)) for sentence in hit.passage.sentences]
            holds = tuple(any(key in text for key in squeezed) for text in texts)
            answers = (False,) * len(holds)
            if hit.passage.doc_id in question.relevant:
                answers = answering_sentences(hit.passage, question.places) if question.places else holds
            passages.append(LabelledPassage(hit.passage, answers, not any(holds)))
        yield ReadingExample(question.text, question.language, dataset.name, fold, keys, tuple(passages), written_apart)


def answering_sentences(passage: Passage, places: Collection[int]) -> tuple[bool, ...]:
    """Return by sentence of `passage` whether one of `places`, offsets into its document, is in it."""
    return tuple(any(sentence.start <= place < sentence.end for place in places) for sentence in passage.sentences)


def gold_reading_examples(retriever: Retriever) -> Iterator[ReadingExample]:
    """Yield what search finds for the tuning part of the project's own questions, near and off-topic ones too."""
    asked = [q for q in load_gold().questions if q.split == "tune"]
    for number, question in enumerate(q for q in asked if q.expect == "answered" or q.kind in ("near", "offtopic")):
        text = standalone_question(clean_question(question.text), [Turn(*turn) for turn in question.history])
        gold = {sentence for group in question.evidence for sentence in group}
        passages = []
        for hit in retriever.search(text, PASSAGES).hits:
            answers = tuple(hit.passage.quote(sentence) in gold for sentence in hit.passage.sentences)
            passages.append(LabelledPassage(hit.passage, answers, not any(answers)))
        keys = tuple(key for group in question.keys for key in group)
        yield ReadingExample(text, question.language, GOLD, number % FOLDS, keys, tuple(passages))


def make_group(example: ReadingExample, tokenizer: Tokenizer, rng: random.Random) -> Group | None:
    """Choose the passages of one step: the one that answers with one that doesn't, or two that don't."""
    positive = [p for p in example.passages if any(p.answers)]
    negative = [p for p in example.passages if p.is_negative]
    # The first are the hardest.
    weights = [1 / (1 + rank) for rank in range(len(negative))]
    hide = not positive or rng.random() < HIDDEN_SHARE
    chosen = [] if hide else [rng.choice(positive)]
    for _ in range(2 - len(chosen)):
        if negative:
            at = rng.choices(range(len(negative)), weights)[0]
            chosen.append(negative.pop(at))
            weights.pop(at)
    if not chosen:
        return None
    question = vary_question(example.question, rng)
    pairs = [encode_pair(tokenizer, question, labelled.passage) for labelled in chosen]
    answers = [
        [is_answer and end > start for is_answer, (start, end) in zip(labelled.answers, pair.sentences, strict=True)]
        for labelled, pair in zip(chosen, pairs, strict=True)
    ]
    if not hide and not any(answers[0]):
        return None
    spans = [key_spans(labelled, pair, example.keys) for labelled, pair in zip(chosen, pairs, strict=True)]
    return Group(pairs, answers, spans)


def key_spans(labelled: LabelledPassage, pair: EncodedPair, keys: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the wordings in `keys` stand in the sentences that answer: first and last token."""
    spans = []
    sentences = zip(labelled.passage.sentences, labelled.answers, pair.sentences, strict=True)
    for sentence, is_answer, (first, end) in sentences:
        text = labelled.passage.quote(sentence)
        for key in keys if is_answer else ():
            for found in re.finditer(re.escape(key), text):
                inside = [
                    token
                    for token in range(first, end)
                    if pair.offsets[token][0] < found.end() and pair.offsets[token][1] > found.start()
                ]
                if inside:
                    spans.append((inside[0], inside[-1]))
    return sorted(set(spans))


# How written questions end, and how people would say the same.
_ENDINGS = {
    r"(은|는|이|가) ?무엇(인가|입니까|일까|인가요|이었는가|이었나)\??$": [
        r"\1 뭐야?", r"\1 뭐예요?", r"\1 뭔가요", r"\1?", r" 알려줘", r"\1 뭐죠?",
    ],
    r"(은|는|이|가) ?누구(인가|입니까|일까|인가요|이었나)\??$": [
        r"\1 누구야?", r"\1 누구예요?", r"\1 누구죠", r" 누구?",
    ],
    r"(은|는|이|가) ?언제(인가|입니까|일까|인가요)\??$": [r"\1 언제야?", r"\1 언제예요?", r" 언제?"],
    r"(은|는|이|가) ?어디(인가|입니까|일까|인가요)\??$": [r"\1 어디야?", r"\1 어디예요?", r" 어디?"],
    r"(했|였|었|았|됐|있)는가\??$": [r"\1어?", r"\1나요?", r"\1습니까?", r"\1지?"],
    r"(한|된|인|는)가\??$": [r"\1가요?", r"\1지 알려주세요", r"\1지 궁금해요"],
}  # fmt: skip


def vary_question(question: str, rng: random.Random) -> str:
    """Ask as people type: shorter or colloquial endings, missing spaces, slips, no question mark."""
    if rng.random() < 0.3:
        for pattern, endings in _ENDINGS.items():
            if re.search(pattern, question):
                question = re.sub(pattern, rng.choice(endings), question)
                break
    noise = rng.random()
    if noise < 0.06:
        question = question.replace(" ", "")
    elif noise < 0.12:
        question = "".join(c for c in question if c != " " or rng.random() < 0.6)
    elif noise < 0.18 and len(question) > 6:
        at = rng.randrange(1, len(question) - 2)
        question = rng.choice(
            (
                question[:at] + question[at + 1 :],
                question[:at] + question[at + 1] + question[at] + question[at + 2 :],
            )
        )
    if rng.random() < 0.2:
        question = question.rstrip("?？ ")
    return question or "?"
