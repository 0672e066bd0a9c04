import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends records with Kafka's own client, idempotent, and reads them back in a group: BROKERS TOPIC COUNT. */
class Smoke {
    public static void main(String[] arguments) {
        String topic = arguments[1];
        int count = Integer.parseInt(arguments[2]);
        Map<String, Object> sending = Map.of(
                "bootstrap.servers", arguments[0], "acks", "all", "enable.idempotence", true,
                "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class);
        try (var producer = new KafkaProducer<String, String>(sending)) {
            for (int number = 0; number < count; number++) {
                producer.send(new ProducerRecord<>(topic, "" + number, "" + number));
            }
            producer.flush();
        }
        Map<String, Object> receiving = Map.of(
                "bootstrap.servers", arguments[0], "group.id", topic, "auto.offset.reset", "earliest",
                "enable.auto.commit", false,
                "key.deserializer", StringDeserializer.class, "value.deserializer", StringDeserializer.class);
        Set<String> read = new HashSet<>();
        try (var consumer = new KafkaConsumer<String, String>(receiving)) {
            consumer.subscribe(List.of(topic));
            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (read.size() < count && System.nanoTime() < end) {
                consumer.poll(Duration.ofSeconds(1)).forEach(record -> read.add(record.value()));
            }
            consumer.commitSync();
        }
        System.out.println("read " + read.size());
    }
}
