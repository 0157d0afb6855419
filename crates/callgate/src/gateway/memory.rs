//! Looks at how much memory the process takes, and at how much it may.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callgate_config::MemoryBound;
use callgate_gateway::Gate;
use callgate_gateway::memory::Turn;

/// Between two looks. Bodies that are held come in at a network's speed: 100 ms at 10 Gbit/s are 120 MB.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A cgroup's bound kills: what it leaves beyond this share is for what comes in between two looks.
const SHARE_OF_CGROUP: (u64, u64) = (9, 10);
const CGROUPS: &str = "/sys/fs/cgroup";

/// Looks until the gate ends.
pub(super) async fn watch(gate: Arc<Gate>) {
    let cgroup = cgroup_bound(&std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default(), Path::new(CGROUPS));
    let automatic = cgroup.map(|bound| bound / SHARE_OF_CGROUP.1 * SHARE_OF_CGROUP.0);
    loop {
        let bound = match gate.snapshot().config.memory {
            MemoryBound::Automatic => automatic,
            MemoryBound::Off => None,
            MemoryBound::Bytes(bytes) => Some(bytes),
        };
        let Some(used) = used() else {
            return tracing::warn!("this system doesn't say how much memory a process takes: nothing bounds it");
        };
        match (gate.memory.look(used, bound), bound) {
            (Some(Turn::Full), Some(bound)) => {
                let (used, bound) = (used >> 20, bound >> 20);
                tracing::warn!(
                    "{used} MiB of memory are in use, {bound} may be: new calls hear 503 until there is room"
                );
            }
            (Some(Turn::Room), _) => tracing::info!("there is room in memory again ({} MiB in use)", used >> 20),
            _ => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Bytes of this process that are nobody else's: files mapped into it (the program, the databases) can be dropped by the
/// kernel, so they are not counted.
fn used() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = pages.split(' ').skip(1).map_while(|number| number.parse::<u64>().ok());
    let (resident, shared) = (pages.next()?, pages.next()?);
    Some(resident.saturating_sub(shared) * page_size()?)
}

#[cfg(target_os = "linux")]
fn page_size() -> Option<u64> {
    u64::try_from(rustix::param::page_size()).ok()
}

#[cfg(not(target_os = "linux"))]
fn page_size() -> Option<u64> {
    None
}

/// The smallest bound of this process's cgroup (version 2) and those around it. `lines` is `/proc/self/cgroup`.
fn cgroup_bound(lines: &str, mounted: &Path) -> Option<u64> {
    let own = lines.lines().find_map(|line| line.strip_prefix("0::"))?.trim_start_matches('/');
    let folder = mounted.join(own);
    let around = folder.ancestors().take_while(|folder| folder.starts_with(mounted));
    let bound = |folder: &Path| std::fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse::<u64>().ok();
    around.filter_map(bound).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_bound_of_the_cgroups_around_counts() {
        let folder = tempfile::tempdir().unwrap();
        let check =
            |lines: &str, expect: Option<u64>| assert_eq!(cgroup_bound(lines, folder.path()), expect, "{lines}");
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        check("0::/a/b\n", None);
        std::fs::write(folder.path().join("a/memory.max"), "1000\n").unwrap();
        std::fs::write(folder.path().join("a/b/memory.max"), "max\n").unwrap();
        check("12:memory:/old\n0::/a/b\n", Some(1000));
        std::fs::write(folder.path().join("a/b/memory.max"), "500\n").unwrap();
        check("0::/a/b\n", Some(500));
        check("0::/\n", None);
        // In a container, its own cgroup is the root of what is mounted.
        std::fs::write(folder.path().join("memory.max"), "300\n").unwrap();
        check("0::/\n", Some(300));
        check("0::/../elsewhere\n", Some(300));
        check("1:memory:/\n", None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_is_used_is_seen() {
        let before = used().unwrap();
        let held = vec![1_u8; 64 << 20];
        let after = used().unwrap();
        assert!(after >= before + (48 << 20), "{before} {after} {}", held.len());
    }
}
