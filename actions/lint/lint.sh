#!/usr/bin/env bash
# Lints for code scanning and for the log. The exit code goes to a later step, so that the upload comes before it.
set -uo pipefail

mapfile -t paths < <(printf '%s\n' "$LINT_PATHS" | sed '/^[[:space:]]*$/d')
read -r -a words <<<"$LINT_ARGS"
rm -f -- "$LINT_SARIF"

kafka-compose-lint "${words[@]}" --format sarif --output "$LINT_SARIF" -- "${paths[@]}" 2>/dev/null
kafka-compose-lint "${words[@]}" --format text -- "${paths[@]}"
code=$?

if [ -f "$LINT_SARIF" ]; then
  echo "sarif=$LINT_SARIF" >>"$GITHUB_OUTPUT"
fi
echo "exit-code=$code" >>"$GITHUB_OUTPUT"
