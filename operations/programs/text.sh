# shellcheck shell=bash
# shellcheck disable=SC2034  # names for the program that takes this in
# A text of an operator, such as an expression of Elixir, which stands in no argument list: every local user reads those, sudo logs
# them, and systemd tells everybody the arguments of its units.
#
#   read_text SECONDS   sets `text` to standard input up to a NUL byte. A text that does not arrive whole is not run: ends the program
#   from_text           an array to begin a command with: the command finds standard input in /dev/shm/text, which it alone has
#                       (unit_settings.sh), and has none itself. Not standard input, which a release's script may read before the VM does
#   evaluate            Elixir that evaluates that file. In the running node the text comes from the VM that asks, by way of the
#                       process to which the output goes
# shellcheck disable=SC2016  # the shell in the sandbox reads it
from_text=(/bin/sh -c 'umask 077 && cat > /dev/shm/text && exec "$@" < /dev/null' sh)
evaluate='{:ok, text} = :rpc.call(node(Process.group_leader()), :file, :read_file, ["/dev/shm/text"]); elem(Code.eval_string(text), 0)'

read_text() {
    IFS= read -r -d '' -t "$1" text || {
        echo "the text did not arrive whole, and was not run" >&2
        exit 1
    }
}
