#compdef pald

_pald() {
    local -i at=${words[(i)--]}
    if ((at < CURRENT)); then
        # What follows `--` is a command of its own.
        shift $at words
        ((CURRENT -= at))
        _normal
        return
    fi
    local -a lines part
    lines=("${(@f)$(pald completions zsh -- "${(@Q)words[1,CURRENT]}" 2>/dev/null)}")
    # What ends so goes on without a blank.
    local open='*[=/.]'$'\t''*'
    part=("${(@)lines:#${~open}}")
    _pald_add
    part=("${(@M)lines:#${~open}}")
    _pald_add -S ''
}

# Each line of `part` is a value, a tab, and what is shown for it.
_pald_add() {
    local -a values shown
    values=("${(@)part%%$'\t'*}")
    shown=("${(@)part#*$'\t'}")
    [[ -z $values ]] || compadd "$@" -V pald -d shown -a values
}

if [[ $funcstack[1] == _pald ]]; then
    _pald "$@"
else
    compdef _pald pald
fi
