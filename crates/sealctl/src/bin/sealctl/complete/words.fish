
# Documents and generations come from the running daemon; fish quotes them.
complete -c sealctl -n "__fish_sealctl_using_subcommand show edits retry forget" -f -a "(command sealctl complete-words documents 2>/dev/null)"
complete -c sealctl -n "__fish_sealctl_using_subcommand rollback" -f -a "(command sealctl complete-words generations 2>/dev/null; echo base)"
complete -c sealctl -n "__fish_sealctl_using_subcommand export" -a "(command sealctl complete-words generations 2>/dev/null; echo live)"
complete -c sealctl -n "__fish_sealctl_using_subcommand ask why" -l gen -r -f -a "(command sealctl complete-words generations 2>/dev/null)"
