"""Upgrades of a running cluster, node by node, and the way back."""
