//! What threads share that wait for each other without a lock: atomics, a value that is set once, waiting for a number to
//! change; modelled ones where tests try every order of threads.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use loom::thread::yield_now;
#[cfg(loom)]
pub(crate) use modelled::{AtomicU32, OnceLock, wait, wake_all};
#[cfg(not(loom))]
pub(crate) use real::{wait, wake_all};
#[cfg(not(loom))]
pub(crate) use std::sync::OnceLock;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::thread::yield_now;

#[cfg(not(loom))]
mod real {
    use std::sync::atomic::AtomicU32;

    /// Waits until it is woken, unless the number is not `value`. It may also wake by itself.
    pub(crate) fn wait(number: &AtomicU32, value: u32) {
        atomic_wait::wait(number, value);
    }

    /// Wakes all that wait for the number to change.
    pub(crate) fn wake_all(number: &AtomicU32) {
        atomic_wait::wake_all(number);
    }
}

#[cfg(loom)]
mod modelled {
    use loom::sync::atomic::{self, AtomicBool, Ordering};
    use loom::sync::{Condvar, Mutex};
    use std::ops::Deref;
    use std::sync::PoisonError;

    /// A number with those that wait for it. The system looks at the number and puts who waits to sleep under a lock of
    /// its own, which whoever wakes takes too.
    #[derive(Debug)]
    pub(crate) struct AtomicU32 {
        number: atomic::AtomicU32,
        lock: Mutex<()>,
        changed: Condvar,
    }

    impl AtomicU32 {
        pub(crate) fn new(value: u32) -> Self {
            Self { number: atomic::AtomicU32::new(value), lock: Mutex::new(()), changed: Condvar::new() }
        }
    }

    impl Deref for AtomicU32 {
        type Target = atomic::AtomicU32;

        fn deref(&self) -> &atomic::AtomicU32 {
            &self.number
        }
    }

    pub(crate) fn wait(number: &AtomicU32, value: u32) {
        let held = number.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: who waits is told nothing by waking.
        if number.load(Ordering::Relaxed) == value {
            drop(number.changed.wait(held));
        }
    }

    pub(crate) fn wake_all(number: &AtomicU32) {
        drop(number.lock.lock());
        number.changed.notify_all();
    }

    /// Does what the real one does, and is seen as late as the real one may be.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        is_set: AtomicBool,
        setting: Mutex<()>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { value: std::sync::OnceLock::new(), is_set: AtomicBool::new(false), setting: Mutex::new(()) }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.is_set.load(Ordering::Acquire) { self.value.get() } else { None }
        }

        pub(crate) fn get_or_init(&self, value: impl FnOnce() -> T) -> &T {
            let setting = self.setting.lock();
            let value = self.value.get_or_init(value);
            self.is_set.store(true, Ordering::Release);
            drop(setting);
            value
        }
    }
}
