#!/bin/sh
# Prints the names of a site whose pages may open no websocket. The arguments are those of the function.
. ./websocket.sh
origins_refused "$@"
