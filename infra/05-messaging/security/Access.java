package backbone.security;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.yaml.snakeyaml.Yaml;

/**
 * Lets a cluster of the secure profile know its users' passwords and what access.yml allows, where no task does it.
 *
 * <p>usage: Access BOOTSTRAP CLIENT.PROPERTIES ACCESS.YML USERS: it comes as whoever CLIENT.PROPERTIES makes it; USERS
 * is the folder with NAME.password, made on first use for the folder's owner alone. It adds what is missing and takes
 * nothing away, as `invoke up` does (backbone/security/access.py). A client hashes a password before it sends it.
 */
public final class Access {
    private static final String ADMIN = "admin";
    private static final int ITERATIONS = 4096;
    private static final Map<String, ResourceType> KINDS = Map.of(
        "topics", ResourceType.TOPIC, "groups", ResourceType.GROUP, "transactional_ids", ResourceType.TRANSACTIONAL_ID);

    private Access() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, Map<String, Object>> users = users(Path.of(arguments[2]));
        List<UserScramCredentialAlteration> logins = new ArrayList<>();
        List<AclBinding> rules = new ArrayList<>();
        logins.add(login(Path.of(arguments[3]), ADMIN));
        for (Map.Entry<String, Map<String, Object>> user : users.entrySet()) {
            if ("password".equals(user.getValue().get("login"))) {
                logins.add(login(Path.of(arguments[3]), user.getKey()));
            }
            for (Object may : (List<?>) user.getValue().get("may")) {
                allow(user.getKey(), (Map<?, ?>) may, rules);
            }
        }
        Properties client = properties(Path.of(arguments[1]));
        client.setProperty("bootstrap.servers", arguments[0]);
        try (Admin admin = Admin.create(client)) {
            admin.alterUserScramCredentials(logins).all().get();
            admin.createAcls(rules).all().get();
        }
        System.out.println(logins.size() + " users have their passwords, " + rules.size() + " rules are in force");
    }

    private static Map<String, Map<String, Object>> users(Path file) throws IOException {
        try (Reader reader = Files.newBufferedReader(file)) {
            Map<String, Map<String, Map<String, Object>>> body = new Yaml().load(reader);
            return body.get("users");
        }
    }

    private static Properties properties(Path file) throws IOException {
        Properties found = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            found.load(reader);
        }
        return found;
    }

    private static UserScramCredentialAlteration login(Path folder, String user) throws IOException {
        Path file = folder.resolve(user + ".password");
        if (!Files.exists(file)) {
            make(file);
        }
        String password = Files.readString(file).strip();
        return new UserScramCredentialUpsertion(
            user, new ScramCredentialInfo(mechanism(folder.resolve(user + ".properties")), ITERATIONS), password);
    }

    /** The mechanism that goes with a password: a new one comes in by the other (backbone/security/users.py). */
    private static ScramMechanism mechanism(Path file) throws IOException {
        String said = Files.exists(file) ? properties(file).getProperty("sasl.mechanism") : null;
        return said == null ? ScramMechanism.SCRAM_SHA_512 : ScramMechanism.fromMechanismName(said);
    }

    private static void make(Path file) throws IOException {
        byte[] random = new byte[24];
        new SecureRandom().nextBytes(random);
        Path partial = file.resolveSibling(file.getFileName() + ".partial");
        Files.deleteIfExists(partial);
        Files.createFile(partial, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(partial, Base64.getUrlEncoder().encodeToString(random));
        Files.setAttribute(partial, "unix:uid", Files.getAttribute(file.getParent(), "unix:uid"));
        Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
    }

    private static void allow(String user, Map<?, ?> may, List<AclBinding> rules) {
        for (Object operation : (List<?>) may.get("do")) {
            AccessControlEntry entry = new AccessControlEntry("User:" + user, "*",
                AclOperation.valueOf(operation.toString().toUpperCase(Locale.ROOT)), AclPermissionType.ALLOW);
            KINDS.forEach((key, kind) -> {
                List<?> names = may.containsKey(key) ? (List<?>) may.get(key) : List.of();
                names.forEach(name -> rules.add(new AclBinding(pattern(kind, name.toString()), entry)));
            });
            if (Boolean.TRUE.equals(may.get("cluster"))) {
                ResourcePattern cluster =
                    new ResourcePattern(ResourceType.CLUSTER, "kafka-cluster", PatternType.LITERAL);
                rules.add(new AclBinding(cluster, entry));
            }
        }
    }

    /** Everything that begins so for a name with an asterisk at its end, which alone is Kafka's own word for all. */
    private static ResourcePattern pattern(ResourceType kind, String name) {
        boolean begins = name.endsWith("*") && name.length() > 1;
        return begins
            ? new ResourcePattern(kind, name.substring(0, name.length() - 1), PatternType.PREFIXED)
            : new ResourcePattern(kind, name, PatternType.LITERAL);
    }
}
