# Completion of the ingot command for bash.  All words come from the command itself:
# `ingot --help=words`, `ingot build --help=words`.

# The words behind the option $2 in the lines of $1, each an option with its words.
_ingot_values()
{
    local option rest
    while read -r option rest; do
        if [ "$option" = "$2" ]; then
            echo "$rest"
        fi
    done <<<"$1"
}

_ingot()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} lines values
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --help=words) --help --version" -- "$word")
        return
    fi
    lines=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" --help=words 2>/dev/null)
    values=$(_ingot_values "$lines" "$before")
    case $values in
    "" | FILE | ANY) ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
        return
        ;;
    esac
    if [ "${word:0:1}" = - ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(cut -d' ' -f1 <<<"$lines") --help" -- "$word")
    elif [ "$values" != ANY ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -o filenames -F _ingot ingot
