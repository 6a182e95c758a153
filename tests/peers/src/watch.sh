# Runs a server and ends it when the other end of standard input is closed: see process.rs.
# usage: watch.sh FOLDER LOG PROGRAM [ARGUMENT...]
folder=$1 log=$2
shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
server=$!
echo "$server"
# From here on the shell itself has nothing to say, not even "Terminated".
exec >/dev/null 2>&1
(
  order=
  read -r order <&3 || : >"$folder/.over"
  if [ "$order" = kill ]; then
    kill -KILL "$server"
    exit
  fi
  kill -TERM "$server"
  tries=0
  while kill -0 "$server" && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  kill -KILL "$server"
) &
watcher=$!
exec 3<&-
wait "$server"
kill "$watcher"
# The mark was set before the server was told to go. Nobody else can remove the folder then.
if [ -e "$folder/.over" ]; then rm -rf "$folder"; fi
