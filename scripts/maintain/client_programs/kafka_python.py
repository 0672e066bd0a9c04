"""Send records with kafka-python, any version, and read them back in a group: BROKERS TOPIC COUNT."""

import sys

from kafka import KafkaConsumer, KafkaProducer

brokers, topic, count = sys.argv[1].split(","), sys.argv[2], int(sys.argv[3])
producer = KafkaProducer(bootstrap_servers=brokers, acks="all")
for number in range(count):
    producer.send(topic, str(number).encode(), str(number).encode())
producer.flush(60)
producer.close()
consumer = KafkaConsumer(
    topic,
    bootstrap_servers=brokers,
    group_id=topic,
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    consumer_timeout_ms=20_000,
)
read: set[bytes | None] = set()
for record in consumer:
    read.add(record.value)
    if len(read) == count:
        break
consumer.commit()
consumer.close()
sys.stdout.write(f"read {len(read)}\n")
