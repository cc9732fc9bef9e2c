import pytest

from eval.written_claims import load_free, load_turned, measure


def shown(found, is_supported):
    """Return how many true, or false, claims are shown, and of how many."""
    counts = [problems for (_, truth), problems in found.items() if truth is is_supported]
    return sum(problems[""] for problems in counts), sum(problems.total() for problems in counts)


def test_hardly_an_answer_that_is_made_of_the_words_of_its_document_and_false_is_shown(embedder, tmp_path):
    found = measure(embedder, tmp_path, *load_free(60))
    false, asked = shown(found, is_supported=False)
    assert asked == 60
    assert false <= 2, found
    # In words of their own most true ones are held back, and their askers get the original.
    assert shown(found, is_supported=True)[0] >= 5, found


@pytest.mark.parametrize(
    ("languages", "most_false", "least_true"), [(["ko"], 0.06, 0.5), (["en", "ja", "zh", "vi"], 0.22, 0.3)]
)
def test_sentences_that_say_something_else_in_the_words_of_their_document_are_mostly_held_back(
    embedder, tmp_path, languages, most_false, least_true
):
    found = measure(embedder, tmp_path, *load_turned(languages))
    false, of_false = shown(found, is_supported=False)
    true, of_true = shown(found, is_supported=True)
    assert false <= most_false * of_false, found
    assert true >= least_true * of_true, found
