package backbone.connect;

import jakarta.annotation.Priority;
import jakarta.ws.rs.container.ContainerRequestContext;
import jakarta.ws.rs.container.ContainerRequestFilter;
import jakarta.ws.rs.container.PreMatching;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.rest.ConnectRestExtension;
import org.apache.kafka.connect.rest.ConnectRestExtensionContext;

/**
 * Keeps web pages away from the worker's REST interface (KIP-285), before it is asked for a password.
 *
 * <p>A page that a browser has open can send requests to this machine. A name of the attacker's that resolves to
 * loopback (DNS rebinding) is seen in the Host header: only an IP address, localhost and the worker's own name are
 * accepted there. A page of another place is seen in the Origin header, which has to name the host that was asked.
 */
public class HostGuard implements ConnectRestExtension {
    private static final Pattern HOST = Pattern.compile("(\\[[0-9a-fA-F:.]+]|[^:\\[\\]]*)(:\\d+)?");
    private static final Pattern ADDRESS = Pattern.compile("\\d{1,3}(\\.\\d{1,3}){3}|\\[.*]");

    private String own;

    @Override
    public void configure(Map<String, ?> settings) {
        Object name = settings.get("rest.advertised.host.name");
        if (name == null) {
            throw new ConfigException("HostGuard needs rest.advertised.host.name: the name it answers to");
        }
        own = name.toString();
    }

    @Override
    public void register(ConnectRestExtensionContext context) {
        context.configurable().register(new Filter(own));
    }

    @Override
    public String version() {
        return "1";
    }

    @Override
    public void close() {
        // Nothing is held.
    }

    static boolean knows(String host, String own) {
        Matcher match = HOST.matcher(Objects.toString(host, ""));
        if (!match.matches()) {
            return false;
        }
        String name = match.group(1);
        return name.equalsIgnoreCase("localhost") || name.equalsIgnoreCase(own) || ADDRESS.matcher(name).matches();
    }

    @PreMatching
    @Priority(0)
    private static final class Filter implements ContainerRequestFilter {
        private final String own;

        Filter(String own) {
            this.own = own;
        }

        @Override
        public void filter(ContainerRequestContext request) {
            String host = request.getHeaderString("Host");
            String origin = request.getHeaderString("Origin");
            if (!knows(host, own)) {
                refuse(request, "the Host header names a host that this worker is not");
            } else if (origin != null && !origin.equalsIgnoreCase("http://" + host)) {
                refuse(request, "the Origin header names another place: web pages may not use this interface");
            }
        }

        private static void refuse(ContainerRequestContext request, String reason) {
            String body = "{\"error_code\":403,\"message\":\"" + reason + "\"}";
            request.abortWith(Response.status(403).type(MediaType.APPLICATION_JSON).entity(body).build());
        }
    }
}
