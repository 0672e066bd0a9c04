"""Send records with confluent-kafka, idempotent, and read them back in a group: BROKERS TOPIC COUNT."""

import sys
import time

from confluent_kafka import Consumer, Producer

brokers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
producer = Producer({"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True})
for number in range(count):
    producer.produce(topic, str(number), str(number))
producer.flush(60)
consumer = Consumer(
    {"bootstrap.servers": brokers, "group.id": topic, "auto.offset.reset": "earliest", "enable.auto.commit": False}
)
consumer.subscribe([topic])
read: set[bytes | None] = set()
end = time.monotonic() + 60
while len(read) < count and time.monotonic() < end:
    message = consumer.poll(1)
    if message is not None and message.error() is None:
        read.add(message.value())
consumer.commit(asynchronous=False)
consumer.close()
sys.stdout.write(f"read {len(read)}\n")
