function __pald_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    if set -l at (contains -i -- -- $words)
        # What follows `--` is a command of its own.
        set -l words (string escape -- $words[(math $at + 1)..])
        complete -C (string join ' ' -- $words $current)
    else
        pald completions fish -- $words $current 2>/dev/null
    end
end

complete -c pald -k -f -a '(__pald_complete)'
