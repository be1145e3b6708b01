#!/usr/bin/env bash
# A terraform for tests: each apply of a plan adds a line to the root's state and to its ledger, a
# destroy removes the state. A plan that is not of the present state is stale, as the real one's.
serial=$(wc -l < state 2> /dev/null || echo 0)
case $1 in
  plan)
    for word in "$@"; do case $word in -out=*) out=${word#-out=} ;; esac; done
    echo "$serial $TF_VAR_size ${*: -1}" > "$out"
    [ "${*: -1}" = -destroy ] && [ ! -e state ] && exit 0
    [ "${*: -1}" != -destroy ] && [ "$(tail -n 1 state 2> /dev/null)" = "$TF_VAR_size" ] && exit 0
    printf '%s\n' '{"type":"planned_change","@message":"a: plan","change":{"resource":{"addr":"a"},"action":"create"}}'
    exit 2
    ;;
  apply)
    read -r made size flag < "${*: -1}"
    if [ "$made" != "$serial" ]; then
      printf '%s\n' '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"Saved plan is stale"}}'
      exit 1
    fi
    if [ "$flag" = -destroy ]; then
      [ -e state ] && echo destroyed >> ledger
      rm -f state
    elif [ "$(tail -n 1 state 2> /dev/null)" != "$size" ]; then
      echo "$size" >> state
      echo "$size" >> ledger
    fi
    printf '%s\n' '{"type":"outputs","outputs":{"size":{"sensitive":false,"value":"'"$size"'"}}}'
    ;;
  output) printf '%s\n' '{"size":{"sensitive":false,"type":"string","value":"'"$(tail -n 1 state)"'"}}' ;;
esac
exit 0
