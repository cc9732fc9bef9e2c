import sqlite3

import pytest
from fastapi.testclient import TestClient

from index.errors import UsageError
from server.app import create_app
from server.storage import Feedback, Storage

ANSWER = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def storage(settings, tmp_path):
    storage = Storage(f"sqlite:///{tmp_path / 'new folder' / 'kept.sqlite'}")
    yield storage
    storage.close()


@pytest.fixture
def keeping(client, storage):
    """The running app, with an empty database of its own."""
    client.app.state.storage.close()
    client.app.state.storage = storage
    return client


def test_feedback_is_kept_with_its_reason(keeping, storage):
    said = {
        "answer_id": ANSWER,
        "helpful": False,
        "reason": "outdated",
        "comment": "2024년 것입니다",
        "question": "언제?",
    }
    response = keeping.post("/api/feedback", json=said)
    assert (response.status_code, response.content) == (204, b"")
    assert storage.feedback() == [Feedback(ANSWER, False, "outdated", "2024년 것입니다", "언제?")]


def test_what_is_said_again_of_an_answer_replaces_what_was_said(keeping, storage):
    keeping.post("/api/feedback", json={"answer_id": ANSWER, "helpful": False, "reason": "wrong"})
    keeping.post("/api/feedback", json={"answer_id": ANSWER, "helpful": True})
    keeping.post("/api/feedback", json={"answer_id": ANSWER[::-1], "helpful": True})
    assert sorted(storage.feedback(), key=lambda kept: kept.answer_id) == [
        Feedback(ANSWER, True),
        Feedback(ANSWER[::-1], True),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"answer_id": "x"},
        {"answer_id": ANSWER + "0"},
        {"helpful": "perhaps"},
        {"reason": "because"},
        {"comment": "a" * 1_001},
        {"question": "a" * 501},
        {"sent": "2020-01-01"},
    ],
)
def test_feedback_of_another_form_is_refused(keeping, storage, wrong):
    response = keeping.post("/api/feedback", json={"answer_id": ANSWER, "helpful": True} | wrong)
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"
    assert storage.feedback() == []


def test_invisible_characters_are_not_kept(keeping, storage):
    said = {"answer_id": ANSWER, "helpful": True, "comment": "a\0b\u202ec"}
    assert keeping.post("/api/feedback", json=said).status_code == 204
    assert storage.feedback() == [Feedback(ANSWER, True, comment="a bc")]


def test_the_plain_form_thanks_in_the_language_of_the_page(keeping, storage):
    form = {"answer_id": ANSWER, "question": "When?", "helpful": "true"}
    page = keeping.post("/feedback", data=form, headers={"Accept-Language": "en"})
    assert "Thank you for your feedback." in page.text
    assert storage.feedback() == [Feedback(ANSWER, True, question="When?")]


def test_a_wrong_plain_form_is_a_page_that_says_so(keeping, storage):
    page = keeping.post("/feedback", data={"helpful": "true"}, headers={"Accept": "text/html"})
    assert page.status_code == 422
    assert page.headers["content-type"].startswith("text/html")
    assert storage.feedback() == []


def test_a_database_that_is_lost_is_told_and_stops_no_answer(settings, chat, tmp_path):
    (tmp_path / "file").write_text("no folder")
    lost = settings.model_copy(update={"data_dir": tmp_path / "file"})
    with TestClient(create_app(lost, chat)) as client:
        response = client.post("/api/feedback", json={"answer_id": ANSWER, "helpful": True})
        assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
        assert str(tmp_path) not in response.text
        assert client.post("/api/chat", json={"question": "APEC은 언제 창설되었나요?"}).json()["status"] == "answered"


def test_a_damaged_database_is_told(tmp_path):
    (tmp_path / "kept.sqlite").write_bytes(b"not a database, but long enough to be taken for one " * 50)
    storage = Storage(f"sqlite:///{tmp_path / 'kept.sqlite'}")
    with pytest.raises(Exception, match="can't be kept at the moment"):
        storage.keep_feedback(Feedback(ANSWER, True))
    storage.close()


def test_feedback_stays_when_the_server_starts_again(tmp_path):
    for helpful in (True, False):
        storage = Storage(f"sqlite:///{tmp_path / 'kept.sqlite'}")
        storage.keep_feedback(Feedback(ANSWER if helpful else ANSWER[::-1], helpful))
        storage.close()
    with sqlite3.connect(tmp_path / "kept.sqlite") as database:
        assert database.execute("SELECT count(*) FROM feedback").fetchone() == (2,)
    database.close()


@pytest.mark.parametrize("url", ["nonsense", "postgresql+nodriver://host/db", "://"])
def test_a_database_that_cannot_be_meant_is_told_at_the_start(url):
    with pytest.raises(UsageError, match="MUNDAP_DATABASE_URL can't be used"):
        Storage(url)
