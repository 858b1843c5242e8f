"""Lock files, one module a format: names, versions and hashes. Their addresses are not followed."""
