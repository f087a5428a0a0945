"""Whisper in batches: windows of the audio's own length, many utterances in one call."""
