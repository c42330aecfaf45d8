//! Who runs this process, for a lock that says who holds it and for a record that says who applied.

use std::path::Path;

/// `user@host`, as far as the machine tells.
pub(crate) fn user_at_host() -> String {
    let user = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "unknown".into());
    let host = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname"))
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|host| host.trim().to_owned())
        .filter(|host| !host.is_empty());
    format!("{user}@{}", host.as_deref().unwrap_or("unknown"))
}

/// `user@host (process 1234)`
pub(crate) fn process() -> String {
    format!("{} (process {})", user_at_host(), std::process::id())
}
