package backbone.bench;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * One end of a benchmark run with the Java client: the same schedule, records and stamps as backbone/bench/worker.py.
 *
 * It speaks to the parent over stdin and stdout, big-endian, as java.py does. Times are System.nanoTime(): on Linux it
 * reads CLOCK_MONOTONIC as the parent does, and the parent proves it by pings before each run.
 */
public final class BenchClient {
    private static final long NEVER = -1;
    private static final int MAGIC = 0x42454E43;
    private static final int HEAD = 4 + 8 + 8 + 8 + 8;
    private static final int OVERHEAD = HEAD + 4;
    private static final long SPIN_NS = 50_000;
    private static final Duration POLL = Duration.ofMillis(100);

    private static final DataInputStream IN = new DataInputStream(new BufferedInputStream(System.in));
    private static final DataOutputStream OUT = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));

    private final Properties settings = new Properties();
    private final String topic;
    private final int partitions;
    private final boolean turns;
    private final boolean group;
    private final long run;
    private final long graceNs;

    private BenchClient() throws IOException {
        settings.load(new StringReader(text()));
        topic = text();
        partitions = IN.readInt();
        turns = IN.readBoolean();
        group = IN.readBoolean();
        run = IN.readLong();
        graceNs = IN.readLong();
    }

    public static void main(String[] arguments) throws Exception {
        try {
            BenchClient client = new BenchClient();
            if (arguments[0].equals("produce")) {
                client.produce();
            } else {
                client.consume();
            }
        } catch (Throwable error) {
            StringWriter words = new StringWriter();
            error.printStackTrace(new PrintWriter(words));
            OUT.writeByte('F');
            write(words.toString());
        }
        OUT.flush();
        System.exit(0); // a client that does not close in time must not keep the run waiting
    }

    private void produce() throws Exception {
        byte[] filler = IN.readNBytes(IN.readInt());
        long[] intended = longs();
        int most = IN.readInt();
        long[] actual = never(intended.length);
        long[] acked = never(intended.length);
        Map<String, Integer> errors = new TreeMap<>();
        AtomicInteger completed = new AtomicInteger();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            producer.partitionsFor(topic);
            long start = started();
            Duration cpu = cpu();
            CRC32 crc = new CRC32();
            for (int sequence = 0; sequence < intended.length; sequence++) {
                int number = sequence;
                intended[number] += start;
                waitUntil(intended[number]);
                if (number - completed.get() >= most) {
                    count(errors, "client-full", completed);
                    continue;
                }
                actual[number] = System.nanoTime();
                byte[] value = encode(number, intended[number], actual[number], filler, crc);
                Integer partition = turns ? (Integer) (number % partitions) : null;
                try {
                    producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
                        if (error == null) {
                            acked[number] = System.nanoTime();
                            completed.incrementAndGet();
                        } else {
                            count(errors, error.getClass().getSimpleName(), completed);
                        }
                    });
                } catch (RuntimeException error) {
                    count(errors, error.getClass().getSimpleName(), completed);
                }
            }
            flush(producer, completed, intended.length);
            Duration spent = cpu().minus(cpu);
            synchronized (errors) {
                done(spent, errors);
            }
            write(intended);
            write(actual);
            write(acked);
            OUT.flush();
            producer.close(Duration.ofSeconds(1));
        }
    }

    /** Wait for every acknowledgement, at most for the grace; what misses it stays unacknowledged. */
    private void flush(KafkaProducer<byte[], byte[]> producer, AtomicInteger completed, int wanted) {
        Thread flushing = new Thread(producer::flush, "flush");
        flushing.setDaemon(true);
        flushing.start();
        long deadline = System.nanoTime() + graceNs;
        while (completed.get() < wanted && System.nanoTime() < deadline) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    private byte[] encode(long sequence, long intended, long actual, byte[] filler, CRC32 crc) {
        byte[] value = new byte[OVERHEAD + filler.length];
        ByteBuffer buffer = ByteBuffer.wrap(value);
        buffer.putInt(MAGIC).putLong(run).putLong(sequence).putLong(intended).putLong(actual);
        crc.reset();
        crc.update(filler);
        crc.update(value, 0, HEAD);
        buffer.putInt((int) crc.getValue()).put(filler);
        return value;
    }

    private void consume() throws Exception {
        Columns got = new Columns();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            place(consumer);
            started();
            Duration cpu = cpu();
            Wanted wanted = new Wanted();
            wanted.start();
            long committed = System.nanoTime();
            while (!wanted.met(got.distinct)) {
                if (group && System.nanoTime() - committed > 1_000_000_000L) {
                    consumer.commitAsync();
                    committed = System.nanoTime();
                }
                ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
                long now = System.nanoTime();
                for (ConsumerRecord<byte[], byte[]> each : records) {
                    got.add(each.value(), now, run);
                }
            }
            done(cpu().minus(cpu), Map.of("damaged", got.damaged));
            for (long[] column : got.columns) {
                write(Arrays.copyOf(column, got.count));
            }
            OUT.flush();
            consumer.close(Duration.ofSeconds(1));
        }
    }

    private void place(KafkaConsumer<byte[], byte[]> consumer) {
        if (group) {
            consumer.subscribe(List.of(topic));
            long deadline = System.nanoTime() + 30_000_000_000L;
            while (consumer.assignment().isEmpty()) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("the consumer group got no partitions in 30 s");
                }
                consumer.poll(POLL);
            }
            return;
        }
        List<TopicPartition> all = IntStream.range(0, partitions).mapToObj(n -> new TopicPartition(topic, n)).toList();
        consumer.assign(all);
        consumer.seekToBeginning(all);
        all.forEach(consumer::position);
    }

    /** What was received, a column each of sequence, intended, actual and received, as it grows. */
    private final class Columns {
        private long[][] columns = new long[4][1 << 12];
        private boolean[] seen = new boolean[1 << 12];
        private int count;
        private int damaged;
        private volatile int distinct;
        private final CRC32 crc = new CRC32();

        private void add(byte[] value, long now, long run) {
            ByteBuffer buffer = ByteBuffer.wrap(value);
            if (value.length < OVERHEAD || buffer.getInt() != MAGIC || buffer.getLong() != run) {
                damaged++;
                return;
            }
            long[] row = {buffer.getLong(), buffer.getLong(), buffer.getLong(), now};
            crc.reset();
            crc.update(value, OVERHEAD, value.length - OVERHEAD);
            crc.update(value, 0, HEAD);
            if (buffer.getInt() != (int) crc.getValue()) {
                damaged++;
                return;
            }
            if (count == columns[0].length) {
                for (int column = 0; column < columns.length; column++) {
                    columns[column] = Arrays.copyOf(columns[column], 2 * count);
                }
            }
            for (int column = 0; column < columns.length; column++) {
                columns[column][count] = row[column];
            }
            count++;
            int sequence = (int) row[0];
            if (sequence >= seen.length) {
                seen = Arrays.copyOf(seen, Math.max(2 * seen.length, sequence + 1));
            }
            if (!seen[sequence]) {
                seen[sequence] = true;
                distinct++;
            }
        }
    }

    /** How many records were acknowledged in all: the parent says so when the sender has ended. */
    private final class Wanted extends Thread {
        private volatile long records = NEVER;
        private volatile long deadline = Long.MAX_VALUE;

        private Wanted() {
            super("wanted");
            setDaemon(true);
        }

        @Override
        public void run() {
            try {
                long told = IN.readLong();
                deadline = System.nanoTime() + graceNs;
                records = told;
            } catch (IOException error) {
                deadline = 0; // the parent has gone
                records = Long.MAX_VALUE;
            }
        }

        private boolean met(int distinct) {
            return records != NEVER && (distinct >= records || System.nanoTime() > deadline);
        }
    }

    /** Say that we are ready, answer pings, and return the time at which the schedule begins. */
    private static long started() throws IOException {
        System.gc(); // what was made on the way here is not collected in the run
        OUT.writeByte('R');
        OUT.flush();
        int kind;
        while ((kind = IN.read()) == 'p') {
            OUT.writeLong(System.nanoTime());
            OUT.flush();
        }
        if (kind < 0) {
            throw new EOFException("the parent has gone");
        }
        return IN.readLong();
    }

    private static void done(Duration cpu, Map<String, Integer> counts) throws IOException {
        OUT.writeByte('D');
        OUT.writeDouble(cpu.toNanos() / 1e9);
        OUT.writeInt(counts.size());
        for (Map.Entry<String, Integer> each : counts.entrySet()) {
            write(each.getKey());
            OUT.writeInt(each.getValue());
        }
    }

    private static void waitUntil(long deadline) {
        long left;
        while ((left = deadline - System.nanoTime()) > SPIN_NS) {
            LockSupport.parkNanos(left - SPIN_NS);
        }
        while (System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
    }

    private static void count(Map<String, Integer> errors, String name, AtomicInteger completed) {
        synchronized (errors) {
            errors.merge(name, 1, Integer::sum);
        }
        completed.incrementAndGet();
    }

    private static Duration cpu() {
        return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO);
    }

    private static long[] never(int length) {
        long[] made = new long[length];
        Arrays.fill(made, NEVER);
        return made;
    }

    private static String text() throws IOException {
        return new String(IN.readNBytes(IN.readInt()), StandardCharsets.UTF_8);
    }

    private static long[] longs() throws IOException {
        int count = IN.readInt();
        long[] read = new long[count];
        ByteBuffer.wrap(IN.readNBytes(8 * count)).asLongBuffer().get(read);
        return read;
    }

    private static void write(String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        OUT.writeInt(bytes.length);
        OUT.write(bytes);
    }

    private static void write(long[] column) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(8 * column.length);
        bytes.asLongBuffer().put(column);
        OUT.writeInt(column.length);
        OUT.write(bytes.array());
    }
}
