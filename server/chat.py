"""A question to an answer: the steps, once, in order."""

import logging
import threading
import time
import uuid
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from index import morphemes
from index.build import Progress
from index.corpus import Excerpt
from index.documents import Document
from index.embedding import Embedder, TokenEmbedder, load_embedder
from index.errors import DocumentMissing, IndexDamaged, LanguageModelError, PublishedIndexError
from index.reader import Reader, load_reader
from index.retriever import Hit, Retriever
from server.answer import (
    Answer,
    AnswerBegun,
    AnswerEvent,
    AnswerSentence,
    AnswerStatus,
    Citation,
    Notice,
    RelatedPassage,
)
from server.answerers.evidence import PASSAGES_WEIGHED, Candidate
from server.answerers.extractive import Extract, Finding, extract, named_phrase
from server.budget import check_budget
from server.conversation import (
    Turn,
    asker_language,
    clean_question,
    is_attack,
    is_noise,
    small_talk,
    standalone_question,
    without_greeting,
)
from server.messages import message
from server.settings import Settings
from server.suggestions import next_questions

if TYPE_CHECKING:
    from server.answerers.generative import Writer, WrittenSentence

Found = TypeVar("Found")

_log = logging.getLogger("mundap")


@dataclass(frozen=True, slots=True)
class _Understood:
    """A question without its greeting, the asker's language, and the question in itself, as it is searched for.

    `reply` is the status and the message of one that is answered without a search.
    """

    question: str
    language: str
    standalone: str = ""
    reply: tuple[AnswerStatus, str] | None = None


class Chat:
    """Answers questions from one published index, with or without a reader, and with or without a language model."""

    def __init__(self, retriever: Retriever, reader: Reader | None = None, writer: "Writer | None" = None) -> None:
        self.retriever = retriever
        self.reader = reader
        self.writer = writer
        self.index = retriever.index

    @property
    def version(self) -> str:
        """The version of the index that it answers from."""
        return self.index.manifest.version

    def answer_question(
        self,
        question: str,
        history: Sequence[Turn] = (),
        lang: str | None = None,
        exclude: Collection[str] = (),
    ) -> Answer:
        """Return the last of `answer_events`, which is the answer.

        Raises:
            QuestionError: the question is empty, too long or not text.
        """
        *_, answer = self.answer_events(question, history, lang, exclude)
        assert isinstance(answer, Answer)  # noqa: S101
        return answer

    def answer_events(
        self,
        question: str,
        history: Sequence[Turn] = (),
        lang: str | None = None,
        exclude: Collection[str] = (),
    ) -> Iterator[AnswerEvent]:
        """Answer `question`, asked after `history`, piece by piece: in the documents' own words, or held to them.

        Its steps: understand, retrieve, compose, verify what a model wrote (quotations need no check), deliver.

        `lang` (BCP 47) is the language of notices and of written answers; without it that is the question's. Documents
        in `exclude` are treated as if they weren't there.

        Raises:
            QuestionError: the question is empty, too long or not text.
            Refused: the time that the request has is up, or nobody waits for the answer any more.
        """
        started = time.perf_counter()
        understood = self._understand(question, history, lang)
        if understood.reply:
            yield from self._notice(*understood.reply, understood.language, history, started)
            return
        check_budget()
        retrieval = self.retriever.search(understood.standalone, PASSAGES_WEIGHED, exclude)
        check_budget()
        found = extract(understood.standalone, retrieval, self.reader)
        check_budget()
        extractive = self._compose(found, understood.language)
        if self.writer and found.finding is Finding.DIRECT:
            composition = self.writer.compose(understood.standalone, understood.language, found)
            verified = self.writer.verify(extractive.id, composition, self.index)
            delivered = yield from self._deliver(verified, extractive)
        else:
            delivered = yield from pieces(extractive)
        turns = [*history, Turn("user", understood.question)]
        suggestions = next_questions(self.index.manifest.suggestions, delivered, turns)
        total = (time.perf_counter() - started) * 1000
        timings = {
            "embed": retrieval.embed_ms,
            "search": retrieval.search_ms,
            "answer": total - retrieval.embed_ms - retrieval.search_ms,
            "total": total,
        }
        rounded = {stage: round(milliseconds, 2) for stage, milliseconds in timings.items()}
        yield replace(delivered, suggestions=suggestions, timings_ms=rounded, retrieval=retrieval, ranked=found.ranked)

    def document(self, doc_id: str) -> Document:
        """Return one indexed document.

        Raises:
            DocumentMissing: there is none of that id.
        """
        return _known(self.index.corpus.document(doc_id))

    def _understand(self, question: str, history: Sequence[Turn], lang: str | None) -> "_Understood":
        question = clean_question(question)
        language = asker_language(question, lang)
        if is_attack(question):
            return _Understood(question, language, reply=(AnswerStatus.REFUSED, "reply.refused"))
        question = without_greeting(question)
        if reply := small_talk(question):
            if reply == "reply.identity" and self.writer:
                reply = "reply.identity_written"
            return _Understood(question, language, reply=(AnswerStatus.SMALLTALK, reply))
        if is_noise(question):
            return _Understood(question, language, reply=(AnswerStatus.NOT_FOUND, "reply.not_found"))
        return _Understood(question, language, standalone_question(question, history))

    def _notice(
        self, status: AnswerStatus, key: str, language: str, history: Sequence[Turn], started: float
    ) -> Iterator[AnswerEvent]:
        total = round((time.perf_counter() - started) * 1000, 2)
        timings = {"embed": 0.0, "search": 0.0, "answer": 0.0, "total": total}
        answer = Answer(_new_id(), status, language, message(language, key), self.version, timings_ms=timings)
        yield from pieces(answer)
        yield replace(answer, suggestions=next_questions(self.index.manifest.suggestions, answer, history))

    def _deliver(
        self, verified: "Iterator[WrittenSentence]", extractive: Answer
    ) -> Generator[AnswerEvent, None, Answer]:
        """Yield what was `verified` and return the answer that it is, or `extractive` where it is none."""
        yield _beginning(extractive)
        citations: dict[tuple[str, int, int], Citation] = {}
        sentences: list[AnswerSentence] = []
        notice = None
        try:
            for written in verified:
                numbers = []
                for candidate in written.support:
                    place = (candidate.hit.passage.doc_id, candidate.sentence.start, candidate.sentence.end)
                    if place not in citations:
                        citations[place] = self._cite(len(citations) + 1, candidate)
                        yield citations[place]
                    numbers.append(citations[place].n)
                sentences.append(AnswerSentence(written.text, tuple(numbers)))
                yield sentences[-1]
        except LanguageModelError as error:
            key = "notice.cut_off" if sentences else "notice.not_written"
            notice = Notice(key.removeprefix("notice."), message(extractive.lang, key))
            _log.info("answer %s: %s (%s)", extractive.id, notice.code, error.code)
        if not sentences:
            yield from _body(extractive)
            return replace(extractive, notice=notice)
        text = " ".join(f"{s.text} {''.join(f'[{n}]' for n in s.citations)}" for s in sentences)
        return replace(
            extractive, text=text, sentences=tuple(sentences), citations=tuple(citations.values()), mode="generative",
            notice=notice,
        )  # fmt: skip

    def _compose(self, found: Extract, language: str) -> Answer:
        match found.finding:
            case Finding.DIRECT:
                citations = tuple(self._cite(n, candidate) for n, candidate in enumerate(found.sentences, 1))
                sentences = tuple(AnswerSentence(citation.quote, (citation.n,)) for citation in citations)
                text = " ".join(f"{citation.quote} [{citation.n}]" for citation in citations)
                return Answer(
                    _new_id(), AnswerStatus.ANSWERED, language, text, self.version, sentences, citations,
                    confidence=found.confidence,
                )  # fmt: skip
            case Finding.NEAR:
                related = tuple(self._related(hit) for hit in found.nearest)
                text = message(language, "reply.related")
                return Answer(
                    _new_id(), AnswerStatus.RELATED, language, text, self.version, related=related,
                    confidence=found.confidence,
                )  # fmt: skip
            case Finding.NOTHING:
                text = message(language, "reply.not_found")
                return Answer(
                    _new_id(), AnswerStatus.NOT_FOUND, language, text, self.version, confidence=found.confidence
                )

    def _cite(self, n: int, candidate: Candidate) -> Citation:
        passage, sentence = candidate.hit.passage, candidate.sentence
        document = self._excerpt(passage.doc_id, sentence.start, sentence.end)
        if document.text != candidate.text:
            raise IndexDamaged(f"The passage {passage.passage_id} differs from its document; run: mundap index build")
        return Citation(
            n, passage.doc_id, document.title, passage.passage_id, sentence.start, sentence.end, candidate.text,
            named_phrase(candidate), document.date, document.department,
        )  # fmt: skip

    def _excerpt(self, doc_id: str, start: int, end: int) -> Excerpt:
        return _known(self.index.corpus.excerpt(doc_id, start, end))

    def _related(self, hit: Hit) -> RelatedPassage:
        passage = hit.passage
        document = self._excerpt(passage.doc_id, passage.start, passage.end)
        return RelatedPassage(
            passage.doc_id, document.title, passage.passage_id, passage.start, passage.end, passage.text,
            document.date, document.department,
        )  # fmt: skip


def _known(found: Found | None) -> Found:
    if found is None:
        raise DocumentMissing("There is no document of that name in the index")
    return found


def pieces(answer: Answer) -> Generator[AnswerEvent, None, Answer]:
    """Yield the events of an answer that is there as a whole, but for the last, which is it; return it."""
    yield _beginning(answer)
    yield from _body(answer)
    return answer


def _beginning(answer: Answer) -> AnswerBegun:
    return AnswerBegun(answer.id, answer.status, answer.lang, answer.index_version)


def _body(answer: Answer) -> Iterator[AnswerEvent]:
    """Yield each sentence after the citations that it is the first to need."""
    citations = {citation.n: citation for citation in answer.citations}
    for sentence in answer.sentences:
        yield from (citations.pop(n) for n in sentence.citations if n in citations)
        yield sentence


@dataclass(frozen=True, slots=True)
class Models:
    """What answering takes besides an index."""

    embedder: Embedder
    reader: Reader | None = None
    writer: "Writer | None" = None


def create_chat(settings: Settings, models: Models | None = None) -> Chat:
    """Open the published index and load what answering takes.

    Raises:
        PublishedIndexError: there is no index, or it is damaged or was built by another model.
        ModelError: the embedding model or the reader can't be loaded.
    """
    publication = settings.publication()
    publication.current_version()
    models = models or load_models(settings)
    return Chat(Retriever(publication.open(models.embedder), models.embedder), models.reader, models.writer)


class CurrentChat:
    """Opens the chat when it is first called, and anew when another version has been published since.

    When that one can't be opened, the old one goes on. Safe to call from several threads: they wait for the one that
    opens it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._publication = settings.publication()
        self._opening = threading.Lock()
        self._models: Models | None = None
        self._chat: Chat | None = None

    def __call__(self) -> Chat:
        """Return the chat on the published version.

        Raises:
            PublishedIndexError, ModelError: see `create_chat`.
        """
        with self._opening:
            if self._chat is None:
                self._models = load_models(self._settings)
                self._chat = create_chat(self._settings, self._models)
            try:
                if self._publication.current_version() != self._chat.version:
                    self._chat = create_chat(self._settings, self._models)
            except PublishedIndexError as error:
                _log.error("the published index can't be used, so %s goes on: %s", self._chat.version, error)
            return self._chat


def load_models(settings: Settings, progress: Progress | None = None) -> Models:
    """Load the embedding model, the reader and, beside them, the models of languages, which take as long."""

    def say(text: str) -> None:
        if progress:
            progress(text, 0, 0)

    with ThreadPoolExecutor(1) as beside:
        languages = beside.submit(_warm_up_languages)
        embedder = load_embedder(settings.embedding_model, settings.model_cache, say)
        reader = load_reader(settings.reader, settings.model_cache, say, embedder)
        languages.result()
    return Models(embedder, reader, _writer(settings, embedder))


def _writer(settings: Settings, embedder: TokenEmbedder) -> "Writer | None":
    if not settings.llm_base_url:
        return None
    # They import openai and scikit-learn, which take two seconds.
    from server.answerers.generative import Writer
    from server.answerers.language_model import LanguageModel

    model = LanguageModel(
        settings.llm_base_url, settings.llm_model, settings.llm_api_key.get_secret_value(),
        settings.llm_budget_seconds, settings.llm_concurrency,
    )  # fmt: skip
    return Writer(model, embedder)


def _warm_up_languages() -> None:
    morphemes.warm_up()
    asker_language("warm up")


def _new_id() -> str:
    return uuid.uuid4().hex
