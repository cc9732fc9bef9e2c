from tests.soak.reindex_under_load import reindex_under_load


def test_two_workers_take_each_new_version_without_a_failed_or_a_mixed_reply(tmp_path, embedder):
    counts = reindex_under_load(tmp_path, embedder, editions=range(1, 4), askers=4, workers=2, pause_seconds=1)
    assert counts.failed == []
    assert counts.wrong == []
    assert counts.published == 3
    assert len(counts.versions) > 1
    assert counts.requests.total() > 20
    assert counts.quotes > 20
    assert counts.statuses["answered"] > 0
