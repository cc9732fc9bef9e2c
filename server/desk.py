"""Every question that comes over HTTP passes here: answered before or now, noted in the log, and counted."""

import hashlib
import json
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from server.answer import Answer, AnswerEvent
from server.chat import Chat, pieces
from server.conversation import Turn, clean_question
from server.metrics import Metrics
from server.privacy import Masked, mask
from server.storage import AskedQuestion
from server.traces import Traces

ANSWERS_REMEMBERED = 1_000


class Desk:
    """Remembers answers, and notes and counts each that is given. Safe to use from several threads."""

    def __init__(self, metrics: Metrics, note: Callable[[AskedQuestion], None], traces: Traces) -> None:
        self.metrics = metrics
        self._note = note
        self._traces = traces
        self._remembered: OrderedDict[bytes, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def remembered(self, key: bytes) -> Answer | None:
        """Return the answer that was given under `key`, as one of its own."""
        with self._lock:
            answer = self._remembered.get(key)
            if answer:
                self._remembered.move_to_end(key)
        self.metrics.cache.labels("hit" if answer else "miss").inc()
        return replace(answer, id=uuid.uuid4().hex) if answer else None

    def remember(self, key: bytes, answer: Answer) -> None:
        """Keep `answer`, without what it was chosen from, and forget the one that was asked for longest ago."""
        with self._lock:
            self._remembered[key] = replace(answer, retrieval=None, ranked=())
            if len(self._remembered) > ANSWERS_REMEMBERED:
                self._remembered.popitem(last=False)

    def masked(self, text: str) -> Masked:
        """Mask personal data in `text`, and count it."""
        masked = mask(text)
        for kind in masked.kinds:
            self.metrics.masked.labels(kind).inc()
        return masked

    def note(self, question: str, answer: Answer, way: str) -> Answer:
        """Log, count and trace `answer`; return it with what it tells the asker of personal data in `question`."""
        masked = self.masked(question)
        total = answer.timings_ms.get("total", 0.0)
        self.metrics.answers.labels(answer.status.value, answer.mode, answer.lang, way).inc()
        # What did not run, as for a remembered answer, took no time that says anything of the stage.
        for stage, milliseconds in answer.timings_ms.items():
            if milliseconds or stage == "total":
                self.metrics.answer_seconds.labels(stage).observe(milliseconds / 1000)
        self._traces.answered(answer.timings_ms, answer.status.value, answer.mode)
        self._note(
            AskedQuestion(
                answer.id, datetime.now(UTC), masked.text, answer.status.value, answer.lang, answer.mode, way,
                " ".join(masked.kinds), round(answer.confidence, 4), total, answer.index_version,
            )
        )  # fmt: skip
        return replace(answer, masked=masked.kinds)


class ChatAtDesk(Chat):
    """A chat for one request, whose answers pass `desk`; `way` says by which interface it was asked."""

    def __init__(self, chat: Chat, desk: Desk, way: str) -> None:
        super().__init__(chat.retriever, chat.reader, chat.writer)
        self._chat = chat
        self.index = chat.index
        self._desk = desk
        self._way = way

    def answer_events(
        self,
        question: str,
        history: Sequence[Turn] = (),
        lang: str | None = None,
        exclude: Collection[str] = (),
    ) -> Iterator[AnswerEvent]:
        """Answer as the chat does, or as it did before when the same was asked of the same documents.

        An answer with a notice is none to remember: the language model may do its work the next time.
        """
        started = time.perf_counter()
        cleaned = clean_question(question)
        # What was asked is not kept in memory, either.
        asked = json.dumps([self.version, cleaned, history, lang, sorted(exclude)])
        key = hashlib.blake2b(asked.encode()).digest()
        answer = self._desk.remembered(key)
        if answer:
            total = round((time.perf_counter() - started) * 1000, 2)
            answer = replace(answer, timings_ms=dict.fromkeys(answer.timings_ms, 0.0) | {"total": total})
            yield from pieces(answer)
        else:
            for event in self._chat.answer_events(question, history, lang, exclude):
                if isinstance(event, Answer):
                    answer = event
                else:
                    yield event
            assert answer  # noqa: S101
            if not answer.notice:
                self._desk.remember(key, answer)
        yield self._desk.note(cleaned, answer, self._way)
