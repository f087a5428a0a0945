"""Subtitles of an audio file, in the language that is spoken or in another one.

Run it::

python file_to_srt.py talk.mp3 > talk.srt
python file_to_srt.py talk.mp3 --language en --translate es > talk.es.srt
"""

import argparse
import asyncio
import os
import sys

from speechpipe_client import Event, Final, SpeechpipeError, transcribe_file


def show(event: Event) -> None:
    """Say how far it is, where a person can see it."""
    if isinstance(event, Final):
        print(f"\r{event.end:.0f} s", end="", file=sys.stderr)


async def main() -> int:
    """Read the command line, and write the subtitles to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--url", default=os.environ.get("SPEECHPIPE_URL", "ws://127.0.0.1:5026/ws"))
    parser.add_argument("--language", default="auto", help="what is spoken (%(default)s)")
    parser.add_argument("--translate", help="language of the subtitles, if another one")
    given = parser.parse_args()
    try:
        transcript = await transcribe_file(
            given.file,
            given.url,
            api_key=os.environ.get("SPEECHPIPE_API_KEY"),
            language=given.language,
            translate=given.translate or (),
            partials=False,
            on_event=show,
        )
    except SpeechpipeError as error:
        print(error, file=sys.stderr)
        return 1
    print(transcript.to_srt(given.translate), end="")
    for problem in transcript.problems:
        print(f"missing: {problem.message}", file=sys.stderr)
    return 1 if transcript.problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
