"""The error tree of Mundap. It knows nothing of HTTP or exit codes; each edge has one table for those.

MundapError
├── InputError            something handed in can't be read or used: a folder, a file, a dataset
│   ├── QuestionError     a question that can't be asked: empty, too long, or not text
│   ├── IndexBusy         another process is building or publishing
│   └── TransientError    it can't be read now, for a cause that is not its own and may pass
├── UsageError            a setting, an option or an address can't be used
├── DocumentMissing       no document of that id is in the index
├── StaffError            something that the staff asked for can't be done
├── Refused               a request is not answered now: too many, too slow, or the server is closing
├── StorageError          the database can't be reached or written
├── GateError             an index was judged and not published
├── LanguageModelError    the language model gave no text, or no more of it
├── ModelError            an embedding model or a reader can't be found, assembled or loaded
└── PublishedIndexError   the published index can't be used
    ├── IndexMissing      nothing has been published yet
    ├── IndexDamaged      a file is gone or differs from its digest
    ├── IndexMismatch     it was built by another model or another format, or for another engine
    └── EngineUnavailable the server that holds it can't be reached, or takes too long
"""


class MundapError(Exception):
    """Base of every error that Mundap raises on purpose. The message is one sentence that says what to do."""


class InputError(MundapError):
    """Something handed in from outside can't be read or used."""


class QuestionError(InputError):
    """A question can't be asked; `code` says why in one stable word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class IndexBusy(InputError):
    """Another process is building or publishing."""


class TransientError(InputError):
    """Something can't be read for a cause that is not its own and may pass: a full disk, a process that was killed.

    Whoever skips what can't be read must not skip for this: it would be lost although nothing is wrong with it.
    """


class UsageError(MundapError):
    """A setting, an option or an address can't be used."""


class DocumentMissing(MundapError):
    """No document of that id is in the index."""


class StaffError(MundapError):
    """Something that the staff of an agency asked for can't be done; `code` says why in one stable word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Refused(MundapError):
    """A request is not answered now. `code` says why in one word, `retry_after` when to try again, in seconds."""

    def __init__(self, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class StorageError(MundapError):
    """The database can't be reached or written."""


class GateError(MundapError):
    """An index was judged before its publication and did not hold a gate."""


class LanguageModelError(MundapError):
    """The language model gave no text, or no more of it; `code` says why in one stable word.

    `retry_after` is how many seconds its server asked to be left alone, 0.0 if it didn't.
    """

    def __init__(self, code: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class ModelError(MundapError):
    """An embedding model or a reader can't be found, assembled or loaded."""

    @classmethod
    def loading(cls, model: str, error: Exception, setting: str) -> "ModelError":
        """Of a model that the user named: what it raises depends on the library that meets it first."""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return cls(f"{model} can't be loaded ({reason}); check {setting}")


class PublishedIndexError(MundapError):
    """The published index can't be used."""


class IndexMissing(PublishedIndexError):
    """Nothing has been published in this data directory yet."""


class IndexDamaged(PublishedIndexError):
    """A file of the published version is missing or differs from its digest."""


class IndexMismatch(PublishedIndexError):
    """The published version was built by another model, in another format or for another engine."""


class EngineUnavailable(PublishedIndexError):
    """The server that holds vectors and terms can't be reached, refuses, or takes too long; it may pass.

    `retry_after` is when to try again, in seconds.
    """

    retry_after = 5
