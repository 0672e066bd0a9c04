"""The Kafka clients that a benchmark can drive: kafka-python, confluent-kafka and Kafka's own for Java.

Each sends the same records on the same schedule and stamps them with the same clock, so the same gates judge it.
"""
