"""How large a cluster has to be."""
