# What follows `--` is a command of its own, for which bash-completion knows more.
_pald_command() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)); then
        COMPREPLY=($(compgen -c -- "$2"))
    else
        COMPREPLY=($(compgen -f -- "$2"))
    fi
}

_pald() {
    local IFS=$'\n' at last=0 word typed=
    local -a words
    words=(pald)
    COMPREPLY=()
    # bash takes `DB_PORT=shop.db` for three words.
    for ((at = 1; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if ((at < COMP_CWORD)) && [[ $word == -- ]]; then
            _pald_command $((at + 1)) "$2"
            return
        elif ((last > 0)) && [[ $word == =* || ${words[last]} == *= ]]; then
            words[last]+=$word
        else
            words[++last]=$word
        fi
    done
    [[ ${words[last]} != *=* ]] || typed=${words[last]%%=*}=
    COMPREPLY=($(pald completions bash -- "${words[@]}" 2>/dev/null))
    [[ -z $typed ]] || COMPREPLY=("${COMPREPLY[@]#"$typed"}")
    [[ ${COMPREPLY-} != *[=/.] ]] || compopt -o nospace 2>/dev/null
}

complete -o nosort -F _pald pald 2>/dev/null || complete -F _pald pald
