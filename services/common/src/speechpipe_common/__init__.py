"""Speechpipe: messages, stream names, consumer loop and telemetry that every service shares."""
