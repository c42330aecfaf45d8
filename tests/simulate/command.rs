//! The command as it is called.
