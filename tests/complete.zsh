# complete.zsh PREFIX - completion as zsh does it, in a terminal of its own: a command, an
# option, what stands behind it, a file.  Exits with 0 if all of them came out.
zmodload zsh/zpty
zpty -b term zsh -f -i
zpty -w term "PS1='%% '; path=($1/bin \$path); fpath=($1/share/zsh/site-functions \$fpath); \
    autoload -U compinit; compinit -u -D; print -n RE; print ADY"
zpty -r term out '*READY*'

# completes LINE PATTERN: the line after a tab has the pattern in it.
completes()
{
    zpty -w -n term $'\x15'"$1"$'\t'
    zpty -r term out "*$2*"
}

completes 'ingot bu' 'build' &&
    completes 'ingot build --em' '--emit' &&
    completes 'ingot build --emit sh' 'shared' &&
    completes 'ingot build model.on' 'model.onnx'
