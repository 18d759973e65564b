//! Which unit of systemd a process belongs to, if it is one of seald's: where its log is, and how it is stopped.

use std::fs;

/// A service of systemd that runs seald.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// `seald.service`.
    pub name: String,
    /// Whether it is one person's, not the system's.
    pub user: bool,
}

impl Unit {
    /// The unit of a process; none where it runs in a terminal, in a container, or not at all.
    pub fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
    }

    /// From what the kernel says of a process's control groups. A terminal may well be in a service, but not in one of this name.
    fn parse(groups: &str) -> Option<Self> {
        groups.lines().find_map(|line| {
            let (_, path) = line.rsplit_once(':')?;
            let name = path.rsplit('/').next()?;
            let ours = name.starts_with("seald") && name.ends_with(".service");
            ours.then(|| Self { name: name.to_string(), user: path.contains("/user@") })
        })
    }

    /// `systemctl stop seald`, for any verb.
    pub fn systemctl(&self, verb: &str) -> String {
        let user = if self.user { "--user " } else { "" };
        format!("systemctl {user}{verb} {}", self.short())
    }

    /// Its name as people type it.
    pub fn short(&self) -> &str {
        self.name.strip_suffix(".service").unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_services_count() {
        let unit = |groups: &str| Unit::parse(groups);
        let system = unit("0::/system.slice/seald.service\n").unwrap();
        assert_eq!((system.systemctl("stop").as_str(), system.user), ("systemctl stop seald", false));
        let user =
            unit("0::/user.slice/user-1000.slice/user@1000.service/app.slice/seald-two.service\n").unwrap();
        assert_eq!(user.systemctl("stop"), "systemctl --user stop seald-two");
        // Version 1 has a line for each controller.
        let old = "12:cpu:/\n1:name=systemd:/system.slice/seald.service\n0::/\n";
        assert!(unit(old).is_some());
        for other in [
            "0::/",
            "0::/user.slice/user-1000.slice/session-3.scope",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/gnome-terminal-server.service",
            "0::/system.slice/cron.service",
            "",
        ] {
            assert_eq!(unit(other), None, "{other}");
        }
        assert_eq!(Unit::of(u32::MAX), None);
    }
}
