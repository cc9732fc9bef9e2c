"""The text that a citation points into, whatever has been published since."""

from dataclasses import dataclass
from enum import StrEnum

from index.documents import Document
from index.errors import DocumentMissing
from index.publication import Publication
from server.chat import Chat


class Since(StrEnum):
    """What has become of a document since the version that was cited. In `UNKNOWN` the cited text is not to be had."""

    SAME = "same"
    CHANGED = "changed"
    REMOVED = "removed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CitedText:
    """A document as it was cited or, when nobody knows how that was, as it is.

    `indexed` is the day (ISO 8601) when the version was built that holds an older text, else "".
    """

    document: Document
    since: Since = Since.SAME
    indexed: str = ""


def find_cited_text(publication: Publication, chat: Chat, doc_id: str, version: str) -> CitedText:
    """Return the document `doc_id` as it is in `version`; "" is the one that `chat` answers from.

    Raises:
        DocumentMissing: it is neither in that version, as far as that is kept, nor in the published one.
    """
    if version in ("", chat.version):
        return CitedText(chat.document(doc_id))
    digest = chat.index.manifest.documents.get(doc_id)
    cited = publication.kept_manifest(version)
    if cited and doc_id in cited.documents:
        if cited.documents[doc_id] == digest:
            return CitedText(chat.document(doc_id))
        if document := publication.kept_document(cited, doc_id):
            return CitedText(document, Since.CHANGED if digest else Since.REMOVED, cited.created[:10])
    if not digest:
        raise DocumentMissing("There is no document of that name in the index any more")
    return CitedText(chat.document(doc_id), Since.UNKNOWN)
