"""How many workers a pipeline needs: the backlog out of XINFO, a pure decision, and what carries it out."""
