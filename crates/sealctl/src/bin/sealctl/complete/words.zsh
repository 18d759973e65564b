# Documents and generations come from the running daemon; compadd quotes them.
_sealctl_words() {
    local line
    local -a found shown
    for line in "${(@f)$(command sealctl complete-words $1 2>/dev/null </dev/null)}"; do
        [[ -n $line ]] || continue
        found+=("${line%%$'\t'*}")
        shown+=("${line%%$'\t'*}  ${line#*$'\t'}")
    done
    (( $#found )) && compadd -l -d shown -a found
}

_sealctl_documents() {
    _sealctl_words documents
}

_sealctl_generations() {
    _sealctl_words generations
}

_sealctl_generations_or_base() {
    compadd base
    _sealctl_words generations
}

_sealctl_generations_or_live() {
    compadd live
    _sealctl_words generations
}

