"""Which engine the settings ask for."""

from speechpipe_common.cores import model_threads
from speechpipe_translate.engines.apertium import ApertiumEngine
from speechpipe_translate.engines.base import Engine
from speechpipe_translate.engines.ctranslate2 import CTranslate2Engine, Decoding
from speechpipe_translate.engines.easynmt import EasyNMTEngine
from speechpipe_translate.settings import TranslateSettings


def open_engine(settings: TranslateSettings) -> Engine:
    """The engine, with its library imported and its pairs looked up; no model is loaded yet.

    Raises:
        EngineUnavailable: what it needs is not on this machine.
    """
    if settings.translation_engine == "apertium":
        return ApertiumEngine(settings.apertium_datadir, settings.engine_timeout_seconds)
    decoding = Decoding(
        device=settings.device,
        compute_type=settings.compute_type,
        beam_size=settings.beam_size,
        max_length=settings.max_decoding_length,
        max_batch=settings.max_batch_size,
        threads=model_threads(settings.cpu_threads),
    )
    neural = CTranslate2Engine if settings.translation_engine == "ctranslate2" else EasyNMTEngine
    return neural(settings.model_dir, settings.easynmt_model, decoding, offline=settings.model_offline)
