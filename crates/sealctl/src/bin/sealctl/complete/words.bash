
# Documents and generations come from the running daemon. What was typed is taken apart here and never evaluated.
_sealctl_words() {
    local words=() word glue="" i
    # Readline splits at ':' and '=', which a word may hold.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if ((${#words[@]})) && [[ -n $glue || $word == [:=] || $word == := ]]; then
            words[${#words[@]}-1]+="$word"
        else
            words+=("$word")
        fi
        glue=""
        [[ $word == [:=] || $word == := ]] && glue=1
    done
    ((${#words[@]})) || return
    local last=$((${#words[@]} - 1)) verb="" place=0 wants="" pass=() kind="" more=()
    for ((i = 0; i < last; i++)); do
        word="${words[i]}"
        if [[ -n $wants ]]; then
            [[ $wants == --gen || $wants == --format || $wants == --max-tokens ]] || pass+=("$wants=$(_sealctl_plain "$word")")
            wants=""
            continue
        fi
        case "$word" in
            --socket | --root | --url | --token-file | --gen | --format | --max-tokens) wants="$word" ;;
            --socket=* | --root=* | --url=* | --token-file=*) pass+=("${word%%=*}=$(_sealctl_plain "${word#*=}")") ;;
            -*) ;;
            *) if [[ -z $verb ]]; then verb="$word"; else ((place += 1)); fi ;;
        esac
    done
    case "$verb,$wants,$place" in
        show,,0 | edits,,0 | retry,,0 | forget,,0) kind=documents ;;
        rollback,,0) kind=generations more=(base) ;;
        export,,0) kind=generations more=(live) ;;
        ask,--gen,* | why,--gen,*) kind=generations ;;
        *) return ;;
    esac
    local cur="${words[last]}" quote="" reply found=()
    [[ $cur == -* ]] && return
    local plain
    plain="$(_sealctl_plain "$cur")"
    [[ $cur == [\'\"]* ]] && quote="${cur:0:1}"
    while IFS= read -r word; do
        word="${word%%$'\t'*}"
        [[ $word == "$plain"* ]] || continue
        case "$quote" in
            "'") [[ $word == *\'* ]] && continue; reply="$word" ;;
            '"') [[ $word == *[\"\$\`\\!]* ]] && continue; reply="$word" ;;
            *) printf -v reply %q "$word" ;;
        esac
        # Readline puts in what stands behind the last place where it splits.
        [[ $cur == *[:=]* ]] && reply="${reply#"${cur%"${cur##*[:=]}"}"}"
        found+=("$reply")
    done < <(
        ((${#more[@]})) && printf '%s\n' "${more[@]}"
        command "$(_sealctl_plain "${COMP_WORDS[0]}")" "${pass[@]}" complete-words "$kind" "$plain" 2>/dev/null </dev/null
    )
    ((${#found[@]})) && COMPREPLY=("${found[@]}")
}

# A typed word as the shell would read it, but for variables and commands, which stay as they are typed.
_sealctl_plain() {
    local word="$1"
    case "$word" in
        \'*) word="${word:1}" word="${word%\'}" ;;
        \"*) word="${word:1}" word="${word%\"}" ;;
        '~/'*) word="$HOME/${word:2}" word="${word//\\/}" ;;
        *) word="${word//\\/}" ;;
    esac
    printf %s "$word"
}

_sealctl_and_words() {
    _sealctl "$@"
    _sealctl_words
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _sealctl_and_words -o nosort -o bashdefault -o default sealctl
else
    complete -F _sealctl_and_words -o bashdefault -o default sealctl
fi
