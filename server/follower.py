"""The published version, followed: a running server answers from a new one as soon as it is there, and whole."""

import logging
import threading
import time
from collections.abc import Callable

from index.errors import IndexMissing
from index.publication import Publication
from index.retriever import Retriever
from server.chat import Chat, Models

LOOK_EVERY_SECONDS = 0.5
# What could not be opened for want of memory, say, may be opened later.
TRY_AGAIN_SECONDS = 60.0

_log = logging.getLogger("mundap")


class Follower:
    """Looks for another published version, opens it beside the one that is served, and hands over a chat on it.

    It begins with the chat that is served, whose models the next ones have, or with the models alone, while nothing has
    been published yet. A version that can't be opened is logged once, and `note` is told after each look whether there
    is one.
    """

    def __init__(
        self,
        publication: Publication,
        first: Chat | Models,
        take: Callable[[Chat], None],
        note: Callable[[bool], None] = lambda is_behind: None,
    ) -> None:
        self._publication = publication
        self._chat = None if isinstance(first, Models) else first
        self._models = (
            first if isinstance(first, Models) else Models(first.retriever.embedder, first.reader, first.writer)
        )
        self._take = take
        self._note = note
        self._problem = ""
        self._refused = ""
        self._try_again_at = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Look once, so that what is told is true from the first request on, and then from a thread until `stop`."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join()

    @property
    def is_behind(self) -> bool:
        """Whether another version is published, or none that can be told, and the one before is still answered from."""
        return bool(self._problem)

    def look(self) -> None:
        """Hand over a chat on the published version if it is another one than is served, and can be opened."""
        self._take_another()
        self._note(self.is_behind)

    def _take_another(self) -> None:
        version = ""
        try:
            version = self._publication.current_version()
            if self._chat and version == self._chat.version:
                self._problem = self._refused = ""
                self._try_again_at = 0.0
                return
            if version == self._refused and time.monotonic() < self._try_again_at:
                return
            models = self._models
            retriever = Retriever(self._publication.open(models.embedder), models.embedder)
            chat = Chat(retriever, models.reader, models.writer)
        except Exception as error:  # whatever a damaged file makes a library raise: what is served is served on
            if not self._chat and isinstance(error, IndexMissing):
                return
            self._refused, self._try_again_at = version, time.monotonic() + TRY_AGAIN_SECONDS
            if str(error) != self._problem:
                self._problem = str(error)
                _log.error("still answering from %s: %s", self._chat.version if self._chat else "nothing", error)
            return
        self._problem = self._refused = ""
        self._chat = chat
        self._take(chat)

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_SECONDS):
            self.look()
