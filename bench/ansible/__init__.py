"""The example's environment `stage` as a playbook of Ansible: the same work done by another tool, to measure beside it."""
