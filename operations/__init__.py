"""The steps of a deploy on a host, one concern a module. Functions get everything from the model they are given."""
