"""What is wrong when a microphone cannot be heard, and what to do about it."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from speechpipe_client.errors import SpeechpipeError

_SOUND_DEVICES: Final = Path("/dev/snd")
_DENIED: Final = re.compile(
    r"permission|denied|not permitted|not allowed|unauthori[sz]ed|-2147024891|0x80070005|\bEACCES\b", re.IGNORECASE
)
"""How ALSA, Core Audio and WASAPI (E_ACCESSDENIED) say that a program may not listen."""
_BUSY: Final = re.compile(r"busy|in use|unavailable|-9985", re.IGNORECASE)
"""How they say that another program holds the device (PortAudio's paDeviceUnavailable is -9985)."""

_WHERE: Final = {
    "darwin": "allow it under System Settings, Privacy & Security, Microphone (for the terminal that it runs in)",
    "win32": "allow desktop apps the microphone under Settings, Privacy & security, Microphone",
}
_WHERE_ELSE: Final = "give your user the sound devices (`sudo usermod -aG audio $USER`, then log in again)"


class MicrophoneError(SpeechpipeError):
    """The microphone cannot be heard: what it needs is not installed, or another program holds it."""


class NoMicrophone(MicrophoneError):
    """There is no such input device, or none at all."""


class MicrophoneDenied(MicrophoneError):
    """The system does not let this program listen."""


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def not_found(
    device: str | int | None,
    said: str,
    devices: Path = _SOUND_DEVICES,
    readable: Callable[[Path], bool] = _readable,
) -> MicrophoneError:
    """The error for a device that PortAudio does not find.

    Args:
        device: what was asked for; None for the default one.
        said: PortAudio's own words.
        devices: folder of the sound devices, on Linux.
        readable: whether this program may read one of them.
    """
    recorders = list(devices.glob("pcmC*c")) if devices.is_dir() else []
    if recorders and not any(map(readable, recorders)):
        return refusal(str(device or "the microphone"), f"{recorders[0]} may not be read")
    if device is None:
        return NoMicrophone(
            "there is no microphone: plug one in or choose an input device in the system's sound settings"
        )
    return NoMicrophone(
        f"no microphone {device}: {said}; `speechpipe listen --list-devices` shows those that are there"
    )


def cannot_record(name: str, said: str) -> MicrophoneError:
    """The error for a device that is there and cannot be opened; ``said`` is what PortAudio said."""
    if _DENIED.search(said):
        return refusal(name, said)
    if _BUSY.search(said):
        return MicrophoneError(f"{name} cannot be opened; another program may be using it: {said}")
    return MicrophoneError(f"cannot record from {name}: {said}")


def refusal(name: str, said: str) -> MicrophoneDenied:
    """The error for a microphone that this program may not use."""
    where = _WHERE.get(sys.platform, _WHERE_ELSE)
    return MicrophoneDenied(f"this program may not listen to {name} ({said}): {where}")
