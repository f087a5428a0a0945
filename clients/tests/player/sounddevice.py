"""Stands in for PortAudio where there is no sound card: a microphone before which ``talk.wav`` is played.

After its end somebody presses Ctrl-C.
"""

import os
import signal
import threading
import wave

# A shell that starts a program in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


class PortAudioError(Exception):
    """As the real one."""


def query_devices(device=None, kind=None):
    """The only device."""
    return {"name": "a microphone for tests", "default_samplerate": 16_000.0}


class RawInputStream:
    """Calls back from a thread of its own, as PortAudio does."""

    def __init__(self, *, samplerate, blocksize, callback, **format):
        self._seconds = blocksize / samplerate
        self._frames = blocksize
        self._callback = callback
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()

    def _play(self):
        with wave.open("talk.wav") as file:
            while block := file.readframes(self._frames):
                self._callback(block, len(block) // 2, None, None)
                if self._over.wait(self._seconds):
                    return
        os.kill(os.getpid(), signal.SIGINT)
