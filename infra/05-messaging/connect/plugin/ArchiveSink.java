package backbone.connect;

import io.debezium.connector.jdbc.JdbcChangeEventSink;
import io.debezium.connector.jdbc.JdbcSinkConnector;
import io.debezium.connector.jdbc.JdbcSinkConnectorTask;
import java.lang.reflect.Field;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.postgresql.util.PSQLException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Debezium's JDBC sink, which in 3.6 stops for good when the database refuses one record; this one gives that record
 * to Connect's dead letters (KIP-610) and goes on. From 3.7 on Debezium does so itself (debezium/debezium#7716): then
 * this file goes, and the connector's class is io.debezium.connector.jdbc.JdbcSinkConnector again.
 *
 * <p>Every setting is Debezium's. A batch that fails is written again in halves, down to the records that fail alone;
 * so `insert.mode` has to be upsert, under which a record may be written twice.
 */
public class ArchiveSink extends JdbcSinkConnector {
    @Override
    public Class<? extends Task> taskClass() {
        return Writer.class;
    }

    /** One task. What it has taken from Connect is in the table or among the dead letters when `put` returns. */
    public static final class Writer extends SinkTask {
        private static final Logger LOG = LoggerFactory.getLogger(ArchiveSink.class);

        // Classes of SQLSTATE (PostgreSQL, appendix A). The value: data, program limits, and what the driver did not
        // even send (its states are of many classes).
        private static final String DRIVER = "07";
        private static final Set<String> VALUE = Set.of(DRIVER, "22", "54");
        // The database, until a person mends it: login, role, catalog, configuration, its own damage.
        private static final Set<String> LASTING = Set.of("0L", "0P", "28", "3D", "F0", "XX");
        private static final String NO_RIGHT = "42501";
        // The database, for now: connection, read-only, rollback, resources, locks, operator, system.
        private static final Set<String> PASSING = Set.of("08", "25", "40", "53", "55", "57", "58");
        private static final String CONNECTION = "08";
        private static final String LOGIN = "28";
        private static final long PAUSE_MS = 1_000;
        // A record that breaks a working connection as often as this, alone, is at fault itself.
        private static final int BROKEN_CONNECTIONS = 20;
        private static final int OPENINGS = 5;
        // The pool's own words, without a SQLSTATE.
        private static final String NO_CONNECTION = "acquisition timeout";
        private static final int SHOWN = 1_000;
        private static final String NO_VALUE = "the record has no value (a tombstone); the sink deletes no row";

        private Map<String, String> settings;
        private JdbcSinkConnectorTask session;
        private JdbcChangeEventSink table;
        private final Set<String> vain = new HashSet<>();
        private int broken;
        private int unopened;

        @Override
        public String version() {
            return new ArchiveSink().version();
        }

        @Override
        public void start(Map<String, String> settings) {
            this.settings = settings;
            require("insert.mode", "upsert");
            require("errors.tolerance", "all");
            if (settings.getOrDefault("errors.deadletterqueue.topic.name", "").isBlank()) {
                throw new ConnectException("errors.deadletterqueue.topic.name: there have to be dead letters");
            }
            try {
                open();
            } catch (RetriableException away) {
                LOG.warn("The database is away; the sink waits for it: {}", away.getMessage());
            }
        }

        @Override
        public void put(Collection<SinkRecord> records) {
            if (records.isEmpty()) {
                return;
            }
            // One without a value is a deletion to Debezium, which without delete.enabled passes it over in silence.
            Map<Boolean, List<SinkRecord>> apart =
                    records.stream().collect(Collectors.partitioningBy(record -> record.value() == null && !deletes()));
            List<Future<Void>> letters = new ArrayList<>();
            vain.clear();
            if (!apart.get(false).isEmpty()) {
                deliver(apart.get(false), letters);
            }
            apart.get(true).forEach(record -> letters.add(aside(record, NO_VALUE)));
            try {
                for (Future<Void> letter : letters) {
                    letter.get();
                }
            } catch (ExecutionException unwritten) {
                throw later(new ConnectException("cannot write to the dead letters", unwritten));
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
                throw new RetriableException(stopped);
            }
        }

        @Override
        public void stop() {
            if (session != null) {
                session.stop();
                session = null;
            }
        }

        private void deliver(List<SinkRecord> records, List<Future<Void>> letters) {
            RuntimeException failure = write(records);
            if (failure == null) {
                return;
            }
            if (records.size() > 1) {
                int middle = records.size() / 2;
                deliver(records.subList(0, middle), letters);
                deliver(records.subList(middle, records.size()), letters);
                return;
            }
            // What is not the value's own fault may be gone the next time: two tasks that make or widen the table at
            // once refuse each other. Where that was in vain, the other records of the batch are not written twice.
            if (!VALUE.contains(kind(failure)) && !vain.contains(state(sql(failure)))) {
                failure = write(records);
                if (failure != null) {
                    vain.add(state(sql(failure)));
                }
            }
            if (failure != null) {
                letters.add(refuse(records.get(0), failure));
            }
        }

        /** Write records and return why they were refused, or null; RetriableException while the database is away. */
        private RuntimeException write(List<SinkRecord> records) {
            open();
            try {
                table.execute(records);
                broken = 0;
                return null;
            } catch (RuntimeException failure) {
                if (passing(failure)) {
                    throw later(failure);
                }
                return failure;
            }
        }

        /** Put a record aside that this table refuses; what is not about records stops the task, with the place. */
        private Future<Void> refuse(SinkRecord record, RuntimeException failure) {
            if (LASTING.contains(kind(failure)) || state(sql(failure)).equals(NO_RIGHT)) {
                throw new ConnectException(place(record) + ": " + words(failure), failure);
            }
            return aside(record, words(failure));
        }

        private Future<Void> aside(SinkRecord record, String words) {
            LOG.warn("{} goes to the dead letters: {}", place(record), words);
            return context.errantRecordReporter().report(record, new Refusal(words));
        }

        private boolean deletes() {
            return Boolean.parseBoolean(settings.get("delete.enabled"));
        }

        private void open() {
            if (session != null) {
                return;
            }
            JdbcSinkConnectorTask opened = new JdbcSinkConnectorTask();
            opened.initialize(context);
            try {
                opened.start(settings);
            } catch (RuntimeException failure) {
                opened.stop();
                throw closed(failure);
            }
            table = writer(opened);
            session = opened;
            unopened = 0;
        }

        /** Debezium's task remembers a failure for good; what writes for it does not, but is not handed out in 3.6. */
        private static JdbcChangeEventSink writer(JdbcSinkConnectorTask task) {
            try {
                Field field = JdbcSinkConnectorTask.class.getDeclaredField("changeEventSink");
                field.setAccessible(true);
                return (JdbcChangeEventSink) field.get(task);
            } catch (ReflectiveOperationException changed) {
                throw new ConnectException("this is not Debezium 3.6", changed);
            }
        }

        /** Say why there is no session: Hibernate keeps the database's own words to itself. */
        private RuntimeException closed(RuntimeException failure) {
            try {
                DriverManager.getConnection(
                        settings.get("connection.url"),
                        settings.get("connection.username"),
                        settings.get("connection.password")).close();
            } catch (SQLException reason) {
                return kind(reason).isEmpty() || PASSING.contains(kind(reason))
                        ? later(new ConnectException(words(reason), reason))
                        : new ConnectException("the database does not let the sink in: " + words(reason), reason);
            }
            // The database is there, perhaps since a moment ago; if not that, the settings are at fault.
            return ++unopened <= OPENINGS ? later(failure) : failure;
        }

        /** Tell whether the same records may be taken later: the fault is the database's, and it passes. */
        private boolean passing(RuntimeException failure) {
            for (Throwable each = failure; each != null; each = each.getCause()) {
                if (each instanceof InterruptedException) {
                    return true;
                }
            }
            if (kind(failure).equals(CONNECTION)) {
                return ++broken <= BROKEN_CONNECTIONS;
            }
            return PASSING.contains(kind(failure)) || words(failure).contains(NO_CONNECTION);
        }

        private RetriableException later(RuntimeException failure) {
            stop();
            context.timeout(PAUSE_MS);
            return new RetriableException(words(failure), failure);
        }

        private void require(String name, String value) {
            if (!value.equals(settings.get(name))) {
                throw new ConnectException(name + " has to be " + value);
            }
        }

        /** Return the innermost database error: a batch's own is in its next exception, not in its cause. */
        private static SQLException sql(Throwable failure) {
            SQLException found = null;
            for (Throwable each = failure; each != null; each = each.getCause()) {
                if (each instanceof SQLException) {
                    found = (SQLException) each;
                    while (found.getNextException() != null) {
                        found = found.getNextException();
                    }
                }
            }
            return found;
        }

        /** Return the SQLSTATE, "" if there is none. */
        private static String state(SQLException cause) {
            return cause == null || cause.getSQLState() == null ? "" : cause.getSQLState();
        }

        /** Return the class of the SQLSTATE, "" if there is none. */
        private static String kind(Throwable failure) {
            SQLException cause = sql(failure);
            String state = state(cause);
            String kind = state.length() < 2 ? "" : state.substring(0, 2);
            boolean unsent = cause instanceof PSQLException && ((PSQLException) cause).getServerErrorMessage() == null;
            return unsent && !PASSING.contains(kind) && !kind.equals(LOGIN) ? DRIVER : kind;
        }

        private static String words(Throwable failure) {
            SQLException cause = sql(failure);
            Throwable innermost = cause == null ? failure : cause;
            while (cause == null && innermost.getCause() != null) {
                innermost = innermost.getCause();
            }
            String text = innermost.getMessage() == null ? innermost.getClass().getName() : innermost.getMessage();
            text = (state(cause) + " " + text.replace("\n", " ")).strip();
            return text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "…";
        }

        private static String place(SinkRecord record) {
            return record.originalTopic() + "-" + record.originalKafkaPartition() + "@" + record.originalKafkaOffset();
        }
    }

    /** Why a record was refused, short enough for the headers of a dead letter: a trace would repeat the record. */
    private static final class Refusal extends ConnectException {
        Refusal(String words) {
            super(words);
            setStackTrace(new StackTraceElement[0]);
        }
    }
}
