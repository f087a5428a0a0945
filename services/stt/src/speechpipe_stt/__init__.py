"""Speechpipe STT worker: speech to text with faster-whisper."""
