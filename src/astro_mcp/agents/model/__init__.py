"""The model that answers the asks of runs which nobody watches, where an operator configured one."""
