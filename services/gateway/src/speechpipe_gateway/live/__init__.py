"""Sessions at work: the core driven against Redis, clocks and connections."""
