"""The example's environment `stage` as an Ansible playbook: the same work by another tool, for comparison."""
