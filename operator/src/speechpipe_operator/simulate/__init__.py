"""Replays arrival traces through the autoscaler's decision, and through models of others: what waits, what it costs.

Pure: traces and settings in, outcomes out. Only ``plot`` (matplotlib, an extra) and ``trace.read`` know files.
"""
