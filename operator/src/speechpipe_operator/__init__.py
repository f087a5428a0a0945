"""Speechpipe operator: a SpeechPipeline resource becomes a running pipeline."""
