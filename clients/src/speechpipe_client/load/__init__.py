"""``speechpipe load``: many talkers at once, and how long they wait.

Deciding is pure (``talker``, ``schedule``, ``record``, ``outcome``, ``spread``, ``verdict``, ``capacity``); ``clips``,
``lines``, ``server`` and ``stage`` do the reading and writing.
"""
