"""How large a cluster has to be: arithmetic with its sources, and what the loss of a broker does at that size."""
