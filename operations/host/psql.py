"""The command line of psql that every question and statement uses."""

# Unaligned rows without headings, one a line; an error ends it. The name of the database follows.
PSQL = "psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname"
