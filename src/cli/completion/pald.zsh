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
    local -a lines values shown
    lines=("${(@f)$(pald completions zsh -- "${(@Q)words[1,CURRENT]}" 2>/dev/null)}")
    values=("${(@)lines%%$'\t'*}")
    shown=("${(@)lines#*$'\t'}")
    [[ -n $values ]] || return 1
    if [[ $values[1] == *[=/] ]]; then
        compadd -V pald -S '' -d shown -a values
    else
        compadd -V pald -d shown -a values
    fi
}

if [[ $funcstack[1] == _pald ]]; then
    _pald "$@"
else
    compdef _pald pald
fi
