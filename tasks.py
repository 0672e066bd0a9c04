"""The tasks: `invoke --list`. Each lives in scripts/tasks, a module a theme."""

from scripts.tasks import verify
from scripts.tasks.collection import collect

ns = collect(verify)
