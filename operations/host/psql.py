"""The command line of psql for every question and statement."""

# One unaligned row a line, no headings; an error ends psql. The name of the database follows.
PSQL = "psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname"
