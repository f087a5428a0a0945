"""Live captions of the microphone, with their translation below; Ctrl-C ends.

Run it::

pip install 'speechpipe-client[microphone]'
python live_microphone.py --language en --translate es
"""

import argparse
import asyncio
import os
import signal
import sys

from speechpipe_client import (
    Back,
    Event,
    Final,
    Lost,
    Microphone,
    Partial,
    Problem,
    SpeechpipeError,
    Translation,
    connect,
)


def show(event: Event) -> None:
    """One line for each caption; the last one changes while somebody speaks."""
    match event:
        case Partial(text=text):
            print(f"\r\x1b[K\x1b[2m{text}\x1b[0m", end="", flush=True)
        case Final(text=text) if text:
            print(f"\r\x1b[K{text}")
        case Translation(text=text, language=language, is_final=True):
            print(f"\r\x1b[K  [{language}] {text}")
        case Lost(message=message):
            print(f"\r\x1b[K(connection lost: {message}; speak on, nothing is lost)", file=sys.stderr)
        case Back(away_seconds=seconds):
            print(f"\r\x1b[K(back after {seconds:.0f} s)", file=sys.stderr)
        case Problem(message=message):
            print(f"\r\x1b[K({message})", file=sys.stderr)


async def main() -> int:
    """Listen until Ctrl-C, then wait for the last captions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("SPEECHPIPE_URL", "ws://127.0.0.1:5026/ws"))
    parser.add_argument("--language", default="auto", help="what is spoken (%(default)s)")
    parser.add_argument("--translate", action="append", default=[], help="may be given repeatedly")
    parser.add_argument("--device", help="number or part of the name of a microphone; the default one if not given")
    given = parser.parse_args()
    try:
        microphone = Microphone(given.device)
        session = connect(
            given.url,
            api_key=os.environ.get("SPEECHPIPE_API_KEY"),
            language=given.language,
            translate=given.translate,
            audio=microphone,
        )
        async with session:
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, microphone.stop)
            print(f"Listening to {microphone.name}; Ctrl-C ends.", file=sys.stderr)
            async for event in session:
                show(event)
    except SpeechpipeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
