"""Requests of Kafka's protocol that kafka-python 3.0.12 does not have, in the form that it reads (KIP-848, KIP-932)."""
