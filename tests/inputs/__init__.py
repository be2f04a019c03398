"""Tries every input: draws cases from the models of group data and vault, and compares the result in each program.

`cases` draws settings and secrets; `refusals` holds that a case is accepted or refused with a message that names its key;
one module for each program (`nginx`, `systemd`, `bash`, `elixir`, `postgresql`) has it read what was rendered from a batch
of accepted cases, all in one exchange. `exploration` puts them together for the suite and for `make soak`.
"""
