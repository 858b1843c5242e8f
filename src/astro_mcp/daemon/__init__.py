"""The process that hosts share: one a data folder, on a Unix socket; and the same in one stdio process."""
