/**
 * What each shell is told. The words are found by `earshot complete -- WORD...`, with the words of the line up to the
 * cursor: a line for each, with what it is behind a tab; and `:files` where files will do.
 */

const BASH = `# Tab completion of earshot for bash: source <(earshot completion bash)
_earshot() {
  local line=\${COMP_LINE:0:COMP_POINT} word current i
  local -a words=()
  # Bash cuts at : and = as well; what touches in the line is one word.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i > 0)) && [[ -n $line && $line != [[:space:]]* ]]; then
      words[\${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    line=\${line#"\${line%%[![:space:]]*}"}
    line=\${line#"$word"}
  done
  current=\${words[\${#words[@]} - 1]}
  COMPREPLY=()
  while IFS= read -r word; do
    if [[ $word == :files ]]; then
      compopt -o filenames 2> /dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
    else
      COMPREPLY+=("\${word%%$'\\t'*}")
    fi
  done < <("$1" complete -- "\${words[@]:1}" 2> /dev/null)
}
complete -F _earshot earshot
`;

const ZSH = `#compdef earshot
# Tab completion of earshot for zsh: source <(earshot completion zsh), after compinit
_earshot() {
  local line
  local -a found
  local -i files=0
  for line in "\${(@f)$("\${(Q)words[1]}" complete -- "\${(@Q)words[2,CURRENT]}" 2> /dev/null)}"; do
    if [[ $line == :files ]]; then
      files=1
    elif [[ $line != *$'\\t'* ]]; then
      [[ -z $line ]] || found+=("\${line//:/\\\\:}")
    else
      found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done
  (( $#found )) && _describe -t words earshot found
  (( files )) && _files
}
if [[ \${funcstack[1]} == _earshot ]]; then
  _earshot "$@"
elif (( $+functions[compdef] )); then
  compdef _earshot earshot
fi
`;

const FISH = `# Tab completion of earshot for fish: earshot completion fish > ~/.config/fish/completions/earshot.fish
function __earshot_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    for line in ($program complete -- $words "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            printf '%s\\n' "$line"
        end
    end
end
complete -c earshot -f -a '(__earshot_complete)'
`;

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;
