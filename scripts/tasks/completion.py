"""What a shell offers while a command line is being typed: tasks, actions and flags. Nothing of the stack is read."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from invoke import Collection

# The program that is asked is the one that stands in the command line (`./invoke`, `../invoke`, `backbone`): each shell
# finds a completion by the last part of a path. A word that has no candidate is completed as a file name.
SCRIPTS: Mapping[str, str] = MappingProxyType(
    {
        "bash": """\
_backbone_tasks() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen -W "$("$1" --complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$2"))
}
complete -o default -F _backbone_tasks invoke backbone
""",
        "zsh": """\
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_backbone_tasks() {
    local -a found
    found=(${(f)"$("${(Q)words[1]}" --complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _backbone_tasks invoke backbone
""",
        "fish": """\
function __backbone_tasks
    set -l words (commandline --tokenize --cut-at-cursor --current-process) (commandline --current-token)
    set -l found (command $words[1] --complete -- $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline --current-token)
    end
end
complete --command invoke --no-files --arguments '(__backbone_tasks)'
complete --command backbone --no-files --arguments '(__backbone_tasks)'
""",
    }
)
"""Shell → the script that it evaluates: `eval "$(./invoke --print-completion-script bash)"`."""

_OF_PROGRAM = ("--help", "--list", "--version")


def candidates(words: Sequence[str], tasks: Collection) -> list[str]:
    """Return what may stand for the last word, which may be empty, after the others; the program's name is left out."""
    *before, typed = words or [""]
    names = list(tasks.task_names)
    task = next((word for word in before if word in names), None)
    if task is None:
        found = _OF_PROGRAM if typed.startswith("-") else names
    elif typed.startswith("-"):
        (context,) = (each for each in tasks.to_contexts() if each.name == task)
        flags = (*context.flag_names(), "--help")
        found = [flag for flag in flags if flag.startswith("--") and flag not in before]
    else:
        actions = getattr(tasks[task], "actions", ())
        found = [] if set(actions) & set(before) else list(actions)
    return sorted(word for word in found if word.startswith(typed))
