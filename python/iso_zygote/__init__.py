"""The launcher of the zygote backend: one prepared interpreter, forked into fresh namespaces for each sandbox."""
