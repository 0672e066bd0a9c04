package backbone.connect;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.common.config.ConfigData;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.provider.DirectoryConfigProvider;

/**
 * Reads ${secrets:secrets:NAME}: a file of the folder `secrets` in the working directory, if `names` lists it.
 *
 * <p>Kafka's own provider reads every file that the worker's user can read, and hands it to whoever may ask the REST
 * interface to validate a connector. Its `allowed.paths` is set here, because it has to be absolute and the folder is
 * another one on each engine. Beside the passwords for connectors the folder holds the worker's own: hence `names`.
 */
public class SecretFiles extends DirectoryConfigProvider {
    private static final String FOLDER = "secrets";

    private Set<String> names = Set.of();

    @Override
    public void configure(Map<String, ?> settings) {
        Object listed = settings.get("names");
        if (listed == null) {
            throw new ConfigException("the provider needs names: the files that connectors may use");
        }
        names = Stream.of(listed.toString().split(",")).map(String::trim).collect(Collectors.toSet());
        super.configure(Map.of(ALLOWED_PATHS_CONFIG, folder().toString()));
    }

    @Override
    public ConfigData get(String path) {
        return get(path, names);
    }

    @Override
    public ConfigData get(String path, Set<String> keys) {
        if (!FOLDER.equals(path) || !names.containsAll(keys)) {
            throw new ConfigException("connectors may use these secrets only: ${secrets:" + FOLDER + ":NAME} with NAME of "
                + names);
        }
        return super.get(folder().toString(), keys);
    }

    private static Path folder() {
        return Path.of(FOLDER).toAbsolutePath();
    }
}
