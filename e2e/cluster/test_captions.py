"""Captions out of the Service of a pipeline in the cluster."""

from collections.abc import Callable
from pathlib import Path

import pytest
from at_home import talk, up
from hearing import Outcome
from kubectl import Json
from load import Load, Speaker
from pipelines import Pipeline, model
from settings import Settings
from voices import every_clip

from speechpipe_client.demo.scoring import error_rate

PAUSE_SECONDS = 5
"""Silence that ends an utterance: audio that a busy machine holds up must not end one here and go on there."""

DIFFERENT = 0.02
"""Share of the words that may not be the same; one of the clips' words is more than half of it."""


def spec(settings: Settings) -> Json:
    """The better of the models."""
    vad = {"silenceThresholdMilliseconds": 1000 * PAUSE_SECONDS}
    return {"stt": model("base", settings), "gateway": {"vad": vad}}


def everybody() -> list[Speaker]:
    """All clips, each once: one caller for each sample rate."""
    clips = every_clip()
    return [
        Speaker(f"{rate}-hz", tuple(clip for clip in clips if clip.rate == rate), gap=PAUSE_SECONDS + 1)
        for rate in sorted({clip.rate for clip in clips})
    ]


def same_words(one: dict[str, list[str]], other: dict[str, list[str]]) -> bool:
    """Whether finals say the same words, but for one in fifty.

    Moved by one sample of audio, or with features that numpy's kernels for another processor round otherwise, a clip of
    these loses or gains a comma, and one of them says "as an example" or "has an example".
    """
    if {name: len(found) for name, found in one.items()} != {name: len(found) for name, found in other.items()}:
        return False
    before, after = (" ".join(text for name in sorted(said) for text in said[name]) for said in (one, other))
    return error_rate(before, after, "en") <= DIFFERENT


def texts(outcomes: dict[str, Outcome]) -> dict[str, list[str]]:
    """Finals by caller, in the order of speech."""
    return {
        name: [final.text for final in sorted(outcome.finals, key=lambda f: f.start)]
        for name, outcome in sorted(outcomes.items())
    }


@pytest.mark.pipeline(spec=spec)
@pytest.mark.timeout(1800)
def test_captions_equal_those_of_one_machine(
    pipeline: Pipeline, settings: Settings, folder: Path, report: Callable[[str], None]
) -> None:
    """Recorded speech through the Service gives the words that were said, the same as ``speechpipe up`` gives."""
    who = everybody()
    load = Load("captions", pipeline.namespace, who, pipeline.url, folder)
    load.start(settings, once=True)
    with up(pipeline.get(), "base", folder / "up") as url:
        at_home = talk(url, who, folder / "up")
    outcomes = load.end()
    figures = load.judged(outcomes)
    at_home_figures = load.judged([at_home[one.name] for one in who])
    here, there = texts({outcome.name: outcome for outcome in outcomes}), texts(at_home)
    report(f"{figures}; as by speechpipe up: the same words {same_words(here, there)}, to the letter {here == there}")
    assert figures.clean, figures
    assert at_home_figures.clean, f"by speechpipe up: {at_home_figures}"
    assert same_words(here, there), (here, there)
