//! Limits the running calls per target. Each target has its own permits, so calls that hang do not delay calls to other targets.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::access::Methods;

/// The most concurrent calls to one target.
pub(super) const MOST_PER_TARGET: usize = 24;
/// A full target takes more calls only when it has this many free permits, so that one claim takes several calls of a backlog.
pub(super) const SEVERAL: usize = MOST_PER_TARGET / 4;
/// The longest wait for these permits. If most calls of the target hang, it takes other calls after this time.
const WAITS: Duration = Duration::from_millis(250);

/// The most concurrent calls of one lane. It is small, so that a lane leaves database connections to other calls.
const MOST_PER_LANE: usize = 8;
/// The number of lanes that one service uses, apart from the main lane of each package.
const LANES: usize = 1;

/// The most concurrent calls: the sum of all targets' permits. So a target that hangs takes no permits from another target. Calls to
/// unknown targets have no permits of their own, because they fail at once.
pub(super) fn most(methods: &Methods) -> usize {
    let target = |rpc: &'_ str| rpc.rsplit_once('.').map(|(target, _)| target.to_owned());
    let targets: HashSet<_> = methods.iter().filter_map(|method| target(&method.rpc)).collect();
    MOST_PER_TARGET * targets.len().max(1) + MOST_PER_LANE * LANES
}

/// The permits of all targets. A target is a package of RPCs, or a lane of one package. All calls of a target share its permits.
#[derive(Clone)]
pub(super) struct Permits {
    targets: Arc<Mutex<HashMap<String, Target>>>,
    /// Wakes the claiming loop.
    wake: Arc<Notify>,
}

struct Target {
    most: usize,
    taken: usize,
    /// Since when the target waits for several free permits.
    full: Option<Instant>,
}

impl Target {
    fn new(name: &str) -> Self {
        let most = if is_lane(name) { MOST_PER_LANE } else { MOST_PER_TARGET };
        Self { most, taken: 0, full: None }
    }

    const fn free(&self) -> usize {
        self.most.saturating_sub(self.taken)
    }

    /// Whether a target that was full has enough free permits to take more calls.
    const fn has_several(&self) -> bool {
        self.free() >= self.most / 4
    }
}

/// Whether a target is a lane. The name of a package has no slash; the name of a lane begins with one.
fn is_lane(target: &str) -> bool {
    target.contains('/')
}

/// A call's permit. Dropping it frees the permit, after a success, a failure or a panic.
pub(super) struct Permit {
    permits: Permits,
    target: String,
}

impl Permits {
    /// Starts with all permits free.
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        Self { targets: Arc::default(), wake }
    }

    /// The number of free permits of each target that has running calls. Every other target has all its permits free.
    pub(super) fn left(&self) -> Vec<(String, usize)> {
        let waits = |target: &Target| target.full.is_some_and(|since| since.elapsed() < WAITS);
        let left = |target: &Target| if waits(target) { 0 } else { target.free() };
        self.targets().iter().map(|(name, target)| (name.clone(), left(target))).collect()
    }

    /// Takes a permit of a target.
    pub(super) fn take(&self, name: &str) -> Permit {
        let mut targets = self.targets();
        let target = targets.entry(name.to_owned()).or_insert_with(|| Target::new(name));
        target.taken += 1;
        if target.free() == 0 {
            target.full = Some(Instant::now());
        }
        drop(targets);
        Permit { permits: self.clone(), target: name.to_owned() }
    }

    fn targets(&self) -> MutexGuard<'_, HashMap<String, Target>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut targets = self.permits.targets();
        let Some(target) = targets.get_mut(&self.target) else { return };
        target.taken = target.taken.saturating_sub(1);
        let has_several = target.full.is_some() && target.has_several();
        if has_several {
            target.full = None;
        }
        // The entry of a lane is kept. A claim takes a target without an entry for a package, which has more permits.
        if target.taken == 0 && !is_lane(&self.target) {
            targets.remove(&self.target);
        }
        drop(targets);
        // The claims skipped the due calls of this target.
        if has_several {
            self.permits.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::access::Method;

    fn left(permits: &Permits) -> Option<usize> {
        permits.left().first().map(|(_, left)| *left)
    }

    #[test]
    fn a_permit_is_free_again_after_its_call_ends_or_panics() {
        let permits = Permits::new(Arc::default());
        let (kept, lost) = (permits.take("a"), permits.take("a"));
        assert_eq!(left(&permits), Some(MOST_PER_TARGET - 2));
        let panicked = std::panic::catch_unwind(move || {
            let _lost = lost;
            panic!("as a bug would");
        });
        assert!(panicked.is_err());
        assert_eq!(left(&permits), Some(MOST_PER_TARGET - 1));
        drop(kept);
        assert_eq!(left(&permits), None, "a target without calls has no entry");
    }

    #[test]
    fn each_target_of_the_mesh_has_its_own_permits() {
        let methods = crate::access::register(levqor_proto::FILE_DESCRIPTOR_SETS);
        let package = |method: &Method| method.descriptor.parent_service().package_name().to_owned();
        let packages: HashSet<_> = methods.iter().map(package).collect();
        assert_eq!(most(methods), MOST_PER_TARGET * packages.len() + MOST_PER_LANE * LANES);
    }

    #[test]
    fn a_lane_has_fewer_permits_and_keeps_its_entry() {
        let permits = Permits::new(Arc::default());
        let taken = permits.take("a/many");
        assert_eq!(left(&permits), Some(MOST_PER_LANE - 1));
        drop(taken);
        assert_eq!(left(&permits), Some(MOST_PER_LANE));
    }

    #[test]
    fn a_full_target_takes_more_calls_when_several_permits_are_free() {
        let wake = Arc::new(Notify::new());
        let permits = Permits::new(Arc::clone(&wake));
        let mut taken: Vec<_> = (0..MOST_PER_TARGET).map(|_| permits.take("a")).collect();
        taken.truncate(MOST_PER_TARGET - SEVERAL + 1);
        assert_eq!(left(&permits), Some(0));
        assert!(wake.notified().now_or_never().is_none());
        taken.pop();
        assert_eq!(left(&permits), Some(SEVERAL));
        assert!(wake.notified().now_or_never().is_some());
    }
}
