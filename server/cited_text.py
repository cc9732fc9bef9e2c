"""The text that a citation points into, whatever has been published since."""

from dataclasses import dataclass
from enum import StrEnum

from index.documents import Document
from index.errors import DocumentMissing
from index.publication import Publication, Span
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


def find_cited_text(
    publication: Publication, chat: Chat, doc_id: str, version: str, span: Span | None = None
) -> CitedText:
    """Return the document `doc_id` as it is in `version`; "" is the one where a citation points to `span`, if any does.

    A document that has another name now is found by its text.

    Raises:
        DocumentMissing: it is neither in that version, as far as that is kept, nor in the published one.
    """
    if version == chat.version:
        return CitedText(chat.document(doc_id))
    if not version:
        return _find_by_span(publication, chat, doc_id, span)
    cited = publication.kept_manifest(version)
    if cited and doc_id in cited.documents:
        if name := _present_name(chat, doc_id, cited.documents[doc_id]):
            return CitedText(chat.document(name))
        if document := publication.kept_document(cited, doc_id):
            is_there = doc_id in chat.index.manifest.documents
            return CitedText(document, Since.CHANGED if is_there else Since.REMOVED, cited.created[:10])
    if doc_id not in chat.index.manifest.documents:
        raise DocumentMissing("There is no document of that name in the index any more")
    return CitedText(chat.document(doc_id), Since.UNKNOWN)


def _find_by_span(publication: Publication, chat: Chat, doc_id: str, span: Span | None) -> CitedText:
    """Find out what a link without a version means: it may be older than the published text.

    A document that never had another text under its name is as it was. Of any other, the span has to be that of a
    sentence or a passage, and in one text alone of those that are kept; else nobody knows what it was.
    """
    manifest = chat.index.manifest
    earlier = [
        one for one in publication.kept() if one.documents.get(doc_id, "") not in ("", manifest.documents.get(doc_id))
    ]
    if doc_id not in manifest.documents:
        names = (_present_name(chat, doc_id, one.documents[doc_id]) for one in earlier)
        return CitedText(chat.document(next(filter(None, names), doc_id)))
    document = chat.document(doc_id)
    if span is None or not (earlier or doc_id in manifest.revised):
        return CitedText(document)
    if span in manifest.revised.get(doc_id, ()):
        return CitedText(document, Since.UNKNOWN)
    is_cited = span in chat.index.corpus.citable_spans(doc_id)
    texts = {document.text[slice(*span)]: CitedText(document)} if is_cited else {}
    for one in earlier:
        text = publication.kept_quotations(one, [doc_id]).get(doc_id, {}).get(span)
        if text is not None and text not in texts and (older := publication.kept_document(one, doc_id)):
            texts[text] = CitedText(older, Since.CHANGED, one.created[:10])
    return next(iter(texts.values())) if len(texts) == 1 else CitedText(document, Since.UNKNOWN)


def _present_name(chat: Chat, doc_id: str, digest: str) -> str | None:
    """Return what a document of that text is called now: as it was, or of a twin or after being renamed, otherwise."""
    documents = chat.index.manifest.documents
    if documents.get(doc_id) == digest:
        return doc_id
    if doc_id in documents:
        return None
    return next((name for name, present in documents.items() if present == digest), None)
