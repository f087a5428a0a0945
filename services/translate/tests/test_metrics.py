"""What the translation worker's metrics say."""

from prometheus_client import CollectorRegistry

from speechpipe_translate.errors import EngineFailed, TranslationError
from speechpipe_translate.metrics import FAILURES, TranslateMetrics


def codes(error: type[TranslationError]) -> set[str]:
    """Codes of an error and of all that are more exact."""
    return {error.code}.union(*(codes(kind) for kind in error.__subclasses__()))


def test_a_call_counts_for_its_pair_as_far_as_it_succeeded() -> None:
    """Texts that failed count by their code; the time of the call and the texts that came out count for the pair."""
    registry = CollectorRegistry()
    metrics = TranslateMetrics(registry)
    metrics.translated("en", "es", ["hola", EngineFailed("broke down")], 0.2)
    pair = {"source": "en", "target": "es"}
    assert registry.get_sample_value("speechpipe_translate_texts_total", pair) == 1
    assert registry.get_sample_value("speechpipe_translate_seconds_count", pair) == 1
    assert registry.get_sample_value("speechpipe_translate_batch_size_sum") == 2
    assert registry.get_sample_value("speechpipe_translate_failures_total", {"code": "engine_failed"}) == 1


def test_a_pair_that_no_engine_has_is_no_label() -> None:
    """Clients can ask for ten thousand pairs; only those that were translated become series."""
    registry = CollectorRegistry()
    TranslateMetrics(registry).translated("en", "xx", [EngineFailed("broke down")], 0.2)
    assert registry.get_sample_value("speechpipe_translate_texts_total", {"source": "en", "target": "xx"}) is None


def test_every_failure_is_counted_from_zero() -> None:
    """Each code that a text can fail with is there before the first failure."""
    registry = CollectorRegistry()
    TranslateMetrics(registry)
    assert set(FAILURES) == codes(TranslationError) - {"engine_unavailable"}  # that one ends the process
    for code in FAILURES:
        assert registry.get_sample_value("speechpipe_translate_failures_total", {"code": code}) == 0


def test_pairs_in_memory_are_asked_for_at_each_scrape() -> None:
    """The number is the pool's at that moment."""
    registry, pairs = CollectorRegistry(), ["en-es"]
    TranslateMetrics(registry).watch_loaded(lambda: len(pairs))
    pairs.append("en-fr")
    assert registry.get_sample_value("speechpipe_translate_pairs_loaded") == 2
