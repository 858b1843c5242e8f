"""The daemon and its shim, as hosts see them."""
