"""What is done to a cluster before an operator runs there, and after the last one has gone."""
